// Data gradient of a strided convolution along lines of the result.
//
//   result[row, q * stride + r] = sum over p of weight[row, p] * band(p, q),   p = (filter, tap)
//
// Positions of the result that are alike modulo stride (a phase) are reached by the same taps, and
// are a dense product with them. All phases read one band of dy, copied once with its border: a
// task owns some lines of dy's grid and writes `stride` lines of the result for each. Of a tile's
// rows, each phase is computed into a block of memory, and the blocks of a line are put together,
// as their columns alternate in the result.
//
// Where lines would leave many lanes of their last vector idle, all lines and the border between
// them are one (`flat`), and what the border made is dropped.
#include "conv/wide_rows_strided.hpp"

#include <algorithm>

#include "conv/dense_view.hpp"
#include "conv/gemm_plan.hpp"
#include "conv/line_tiles.hpp"
#include "conv/list.hpp"
#include "conv/merge_residues.hpp"
#include "conv/residue_taps.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

int64_t round_up(int64_t count, int64_t to) { return ceil_div(count, to) * to; }

struct Grid {
  Reach rows, columns;
  int64_t lines, width;  // of dy's grid under the result
  int64_t residues[2];   // of rows and of columns
  int64_t phases() const { return residues[0] * residues[1]; }
  explicit Grid(const ConvProblem& p) : rows(p, 1), columns(p, 2) {
    lines = ceil_div(p.input[1], p.stride[1]);
    width = ceil_div(p.input[2], p.stride[2]);
    for (int i = 0; i < 2; ++i) residues[i] = residues_of(p, i + 1);
  }
};

// Of a task: the largest.
struct TaskShape {
  int64_t lines, columns, flat_columns, lanes;
  template <class T>
  TaskShape(const ConvPlan& plan, const Grid& g, const Kernels<T>& k) {
    const ConvPhase& first = plan.phases[0];
    lines = first.band_rows - g.rows.border;
    columns = first.pitch - g.columns.border;
    flat_columns = (lines - 1) * first.pitch + columns;
    lanes = k.lanes;
  }
  bool flat() const {
    const int64_t vectors = ceil_div(columns, lanes) * lines;
    return 4 * ceil_div(flat_columns, lanes) < (columns <= lanes ? 7 : 4) * vectors;
  }
};

// The block of all rows and phases of a task, or of one tile's rows where one band has all filters.
template <class T>
struct StridedMemory {
  bool flat;
  int64_t rows, line, row, phase;  // elements from one line, row and phase to the next
  int64_t merged;                  // elements of a line of all residues
  T *band, *block, *lines[2];      // lines: partly merged
  StridedMemory(const ConvPlan& plan, const Grid& g, Arena& arena) {
    const ConvProblem& p = plan.problem;
    const Kernels<T>& k = kernels_of<T>(*plan.isa);
    const TaskShape task(plan, g, k);
    const ConvPhase& first = plan.phases[0];
    const bool one_band = plan.depth_block >= p.k / p.groups;
    flat = task.flat();
    rows = one_band ? std::min<int64_t>(k.tile_rows, plan.row_block) : plan.row_block;
    line = flat ? first.pitch : round_up(task.columns, k.lanes);
    row = round_up(task.lines * line, k.lanes);
    phase = rows * row;
    merged = g.residues[1] * round_up(task.columns, k.lanes);
    // The last row is written past its end, in whole vectors.
    band = arena.take<T>(plan.depth_block * first.band_rows * first.pitch + k.lanes);
    block = arena.take<T>(g.phases() * phase);
    for (T*& of_level : lines) of_level = arena.take<T>(g.residues[1] > 2 ? merged : 0);
  }
};

constexpr int64_t band_bytes = 256 << 10, block_bytes = 512 << 10;

// Filters of a band: at least those of a result's products by one band.
int64_t choose_filters(const DenseView& v, const Grid& g, int64_t bytes) {
  const int64_t lines = std::min<int64_t>(g.lines, 8) + g.rows.border;
  const int64_t columns = (g.lines > 1 ? g.width : std::min<int64_t>(g.width, 256)) +
                          g.columns.border;
  const int64_t taps = std::max<int64_t>(1, g.rows.taps * g.columns.taps);
  const int64_t least = ceil_div(band_products, taps), fit = band_bytes / (lines * columns * bytes);
  const int64_t channels = std::max<int64_t>(1, v.channels);
  return ceil_div(channels, ceil_div(channels, std::max(least, fit)));
}

// Lines of a task, or columns of a line alone.
struct Cut {
  int64_t count, border, unit, least;  // in whole units, a task at least so many
  int64_t band, row;                   // bytes of each of them, in the band and in a row's block
  int64_t tile_rows;
  // Of a size that fits with so many rows, `wanted` if they are not too small for that.
  int64_t parts(int64_t wanted, int64_t rows) const {
    const int64_t fit = std::min(band_bytes / band - border, block_bytes / (row * rows));
    const int64_t fewest = ceil_div(count, std::max(unit, fit));
    return std::max(fewest, std::min(wanted, count / least));
  }
  int64_t size(int64_t of_parts) const {
    return std::min(count, round_up(ceil_div(count, of_parts), unit));
  }
};

// Blocks of rows copy a band each: what that takes is little for 16 rows, or more of few taps.
int64_t most_row_blocks(const ConvProblem& p, int64_t rows, int64_t tile_rows) {
  const int64_t least = std::max<int64_t>(16, 64 / taps_of(p));
  return std::max({int64_t{1}, rows / least, std::min<int64_t>(2, rows / tile_rows)});
}

// Where images and groups do not give some four tasks, rows do, because every block of lines reads
// all weights of its rows; then lines. A block that holds all rows of a task has few of them rather
// than few lines, for the same reason (256 channels, filters of 5x5, 112x112 pixels: 1.18 times).
void choose_parts(ConvPlan& plan, const DenseView& v, const Grid& g, const Cut& cut) {
  const ConvProblem& p = plan.problem;
  const bool alone = conv_work(p) / 2 <= short_work;  // on one thread in any case
  const int64_t wanted = alone || p.n * p.groups >= 16 ? 1 : tasks_wanted(4);
  const bool one_band = plan.depth_block >= v.channels;
  const int64_t rows = std::max<int64_t>(1, v.columns), least_rows = one_band ? cut.tile_rows : 16;
  const int64_t fewest = cut.parts(1, least_rows);
  const int64_t rows_fit = one_band ? rows : block_bytes / (cut.row * cut.size(fewest));
  const int64_t row_blocks = ceil_div(rows, std::max(rows_fit, least_rows));
  plan.row_blocks = std::min(std::max(ceil_div(wanted, fewest), row_blocks),
                             most_row_blocks(p, rows, cut.tile_rows));
  plan.row_block = round_up(ceil_div(rows, plan.row_blocks), cut.tile_rows);
  plan.row_blocks = ceil_div(rows, plan.row_block);
  const int64_t held = one_band ? cut.tile_rows : plan.row_block;
  const int64_t size = cut.size(cut.parts(ceil_div(wanted, plan.row_blocks), std::min(held, rows)));
  ConvPhase& first = plan.phases[0];
  first.column_blocks = ceil_div(cut.count, size);
  first.band_rows = (g.lines > 1 ? size : 1) + g.rows.border;
  first.pitch = (g.lines > 1 ? g.width : size) + g.columns.border;
}

void place_operands(const ConvProblem& p, const DenseView& v, const Reach& rows,
                    const Reach& columns, const ConvPhase& first, int64_t filters,
                    ConvPhase& phase) {
  for (int64_t f = 0; f < filters; ++f)
    for (std::size_t t = 0; t < phase.taps.size(); ++t) {
      const Tap& tap = phase.taps[t];
      phase.b_rows.push_back((f * first.band_rows + tap.h - rows.low) * first.pitch + tap.w -
                             columns.low);
      phase.raw_cols.push_back(f * v.columns * taps_of(p) + phase.filter_tap[t]);
    }
}

template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const DenseView v(p, plan.direction);
  const Grid g(p);
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  constexpr int64_t bytes = sizeof(T);
  make_phases(plan);
  plan.depth_block = choose_filters(v, g, bytes);
  const int64_t band = plan.depth_block * bytes, row = g.phases() * bytes;
  const int64_t tile = int64_t{k.lanes} * k.tile_vectors;
  if (g.lines > 1)
    choose_parts(plan, v, g, {g.lines, g.rows.border, 1, ceil_div(tile, g.width),
                              band * (g.width + g.columns.border), row * g.width, k.tile_rows});
  else
    choose_parts(plan, v, g, {g.width, g.columns.border, tile, tile, band * (1 + g.rows.border),
                              row, k.tile_rows});
  const ConvPhase& first = plan.phases[0];
  for (ConvPhase& phase : plan.phases)
    place_operands(p, v, g.rows, g.columns, first, plan.depth_block, phase);
  plan.tasks = p.n * p.groups * first.column_blocks * plan.row_blocks;
  Arena arena;
  StridedMemory<T> counted(plan, g, arena);
  plan.task_bytes = arena.used();
}

template <class T>
class StridedTask {
 public:
  StridedTask(const ConvPlan& plan, const Grid& grid, const ConvArgs& args, int64_t task)
      : plan_(plan), p_(plan.problem), v_(plan.problem, plan.direction), grid_(grid),
        first_(plan.phases[0]), k_(kernels_of<T>(*plan.isa)), args_(args),
        arena_(task_scratch(plan.task_bytes)), memory_(plan, grid, arena_) {
    const TaskShape most(plan, grid_, k_);
    row_ = task % plan.row_blocks * plan.row_block;
    rows_ = std::min(plan.row_block, v_.columns - row_);
    task /= plan.row_blocks;
    const int64_t part = task % first_.column_blocks;
    line_ = grid_.lines > 1 ? part * most.lines : 0;
    column_ = grid_.lines > 1 ? 0 : part * most.columns;
    lines_ = std::min(most.lines, grid_.lines - line_);
    width_ = std::min(most.columns, grid_.width - column_);
    task /= first_.column_blocks;
    group_ = task % p_.groups;
    image_ = task / p_.groups;
  }

  void run() const {
    int64_t at = 0;
    // At least once: without any product the result is still zero.
    do {
      const int64_t filters = std::min(plan_.depth_block, v_.channels - at);
      fill_band(at, filters);
      for (int64_t i = 0; i < rows_; i += k_.tile_rows) {
        const int64_t high = std::min<int64_t>(k_.tile_rows, rows_ - i);
        T* block = memory_.block + (memory_.rows < plan_.row_block ? 0 : i * memory_.row);
        T* of_phase = block;
        for (const ConvPhase& phase : plan_.phases) {
          multiply(phase, row_ + i, high, at, filters, of_phase);
          of_phase += memory_.phase;
        }
        if (at + filters == v_.channels) merge(block, row_ + i, high);
      }
      at += filters;
    } while (at < v_.channels);
  }

 private:
  void fill_band(int64_t at, int64_t filters) const {
    PadArgs<T> a{};
    a.plane = static_cast<const T*>(args_.source) +
              ((image_ * p_.groups + group_) * v_.channels + at) * v_.plane();
    a.height = v_.source[1];
    a.width = v_.source[2];
    a.first_row = line_ + grid_.rows.low;
    a.first_column = column_ + grid_.columns.low;
    a.rows = lines_ + grid_.rows.border;
    a.columns = width_ + grid_.columns.border;
    a.step = 1;
    a.row_size = first_.pitch;
    a.out = memory_.band;
    for (int64_t f = 0; f < filters; ++f) {
      k_.pad(a);
      a.plane += v_.plane();
      a.out += first_.band_rows * first_.pitch;
    }
  }

  // One tile's rows of a phase.
  void multiply(const ConvPhase& phase, int64_t i, int64_t high, int64_t at, int64_t filters,
                T* block) const {
    // Later residues may have a line less.
    const int64_t lines = std::min(lines_, phase.grid[1] - line_);
    const int64_t depth = filters * static_cast<int64_t>(phase.taps.size());
    if (lines <= 0 || (at > 0 && depth == 0)) return;
    TileArgs<T> t{};
    t.a = static_cast<const T*>(args_.other) +
          ((group_ * v_.channels + at) * v_.columns + i) * taps_of(p_);
    t.a_row = taps_of(p_);
    t.c_row = memory_.row;
    const int64_t chain = even_chain(depth);
    int64_t done = 0;
    // A chain of all lines before the next, while its weights are near.
    do {
      t.a_cols = phase.raw_cols.data() + done;
      t.b_rows = phase.b_rows.data() + done;
      t.depth = std::min(chain, depth - done);
      t.accumulate = at + done > 0;
      if (memory_.flat) {
        multiply_line(k_, t, high, (lines - 1) * first_.pitch + width_, memory_.band, block);
      } else {
        for (int64_t y = 0; y < lines; ++y)
          multiply_line(k_, t, high, width_, memory_.band + y * first_.pitch,
                        block + y * memory_.line);
      }
      done += t.depth;
    } while (done < depth);
  }

  // The phases of a tile's rows, to lines of the result.
  void merge(const T* block, int64_t i, int64_t high) const {
    const int64_t height = p_.input[1], width = p_.input[2], step = p_.stride[2];
    const int64_t columns = std::min(width - column_ * step, width_ * step);
    T* plane = static_cast<T*>(args_.out) +
               ((image_ * p_.groups + group_) * v_.columns + i) * height * width;
    for (int64_t r = 0; r < high; ++r, block += memory_.row, plane += height * width)
      for (int64_t y = 0; y < lines_; ++y)
        for (int64_t h = 0; h < grid_.residues[0]; ++h) {
          const int64_t line = (line_ + y) * p_.stride[1] + h;
          if (line >= height) break;
          merge_residues(k_, block + h * grid_.residues[1] * memory_.phase + y * memory_.line,
                         memory_.phase, grid_.residues[1], columns, memory_.lines,
                         plane + line * width + column_ * step);
        }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const DenseView v_;
  const Grid& grid_;
  const ConvPhase& first_;
  const Kernels<T>& k_;
  const ConvArgs& args_;
  Arena arena_;
  const StridedMemory<T> memory_;
  int64_t row_, rows_, line_, lines_, column_, width_, group_, image_;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  const Grid grid(plan.problem);
  parallel_for(plan.tasks, conv_work(plan.problem) / 2,
               [&](int64_t task) { StridedTask<T>(plan, grid, args, task).run(); });
}

}  // namespace

void plan_strided_rows(ConvPlan& plan) {
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
}

void run_strided_rows(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

const char* strided_rows_refuse(const ConvPlan& plan) {
  const DenseView v(plan.problem, plan.direction);
  const Grid g(plan.problem);
  // A line alone is cut, and rows are in blocks of some 64 at most.
  const int64_t width = g.lines > 1 ? g.width : std::min<int64_t>(g.width, 48);
  const double columns = static_cast<double>(width + g.columns.border);
  const int64_t taps = std::max<int64_t>(1, g.rows.taps * g.columns.taps);
  const double filters = static_cast<double>(ceil_div(band_products, taps));
  const double rows = static_cast<double>(std::min<int64_t>(v.columns, 64));
  const double band = static_cast<double>(g.rows.border + 1) * columns * filters;
  const double block = rows * static_cast<double>(g.phases()) * columns;
  if (std::max(band, block) > 4 << 20) return "the memory of a task would be over 32 MB";
  return nullptr;
}

}  // namespace pyconv

// Convolution with filters that are no 3x3 or with a stride as sums of 3x3 parts by F(2x2, 3x3), with
// lines of taps by F(2, 3): see filter_parts.hpp. A data gradient has the filter turned by 180 degrees,
// and at a stride one for each residue of the result's positions, of the same tiles.
//
//   point p:  products[row, tile] = sum over parts and channels of
//             filters[p][part][row, channel] * tiles[p][channel, tile + part]
//
// A task owns some rows of tiles of one image, group and band, and mostly all rows of the result.
// Its transformed tiles stay in the second-level cache; filters stream through.
#include <algorithm>

#include "conv/fallback.hpp"
#include "conv/merge_residues.hpp"
#include "conv/packed_weight.hpp"
#include "conv/winograd_parts.hpp"

namespace pyconv {
namespace {

template <class T>
class PartsTask {
 public:
  PartsTask(const ConvPlan& plan, const ConvArgs& args, const PartsGrid<T>& grid, const T* filters,
            int64_t task)
      : plan_(plan), v_(plan), g_(grid), k_(kernels_of<T>(*plan.isa)),
        w_(winograd_kernels<T>(plan)), args_(args), arena_(task_scratch(plan.task_bytes)),
        memory_(plan, grid, arena_) {
    const ConvPhase& phase = plan.phases[0];
    row_ = task % plan.row_blocks * phase.grid[0];
    rows_ = std::min(phase.grid[0], v_.rows - row_);
    task /= plan.row_blocks;
    // One band after the other: those of one block meet inside a cache line of each row of results,
    // which two threads at the same block would take from each other. One group after the other: a
    // thread mostly reads the filters that it has transformed.
    const int64_t block = task % phase.column_blocks;
    task /= phase.column_blocks;
    const int64_t band = task % g_.bands;
    plane_ = task / g_.bands;
    const Range lines = part_of(g_.down, block, phase.column_blocks);
    top_ = lines.from;
    lines_ = lines.to - lines.from;
    column_ = g_.edge(band);
    across_ = g_.edge(band + 1) - column_;
    filters_ = filters + plane_ % plan.problem.groups * g_.filter_panels * g_.filter_panel;
  }

  int64_t image() const { return plane_ / plan_.problem.groups; }

  bool run() const {  // false if a result is not finite
    transform_tiles();
    bool finite = true;
    for (int64_t i = 0; i < rows_; i += plan_.row_block) {
      const int64_t rows = std::min(plan_.row_block, rows_ - i);
      for (int64_t y = 0; y < g_.residues[1]; ++y) {
        for (int64_t x = 0; x < g_.residues[2]; ++x) {
          multiply(row_ + i, rows, y * g_.residues[2] + x);
          finite &= transform_back(row_ + i, rows, y, x);
        }
        if (g_.residues[2] > 1) merge_columns(row_ + i, rows, y);
      }
    }
    return finite;
  }

 private:
  void transform_tiles() const {
    const PartLine &down = g_.at().rows, &along = g_.at().columns;
    const int64_t lines = lines_ + down.tiles - 1;
    PadArgs<T> a{};
    a.plane = static_cast<const T*>(args_.source) + plane_ * v_.channels * v_.source_plane();
    a.height = v_.source[1];
    a.width = v_.source[2];
    a.first_row = (top_ * down.outputs - down.lead) * down.stride - g_.pad[1];
    a.first_column = (column_ * along.outputs - along.lead) * along.stride - g_.pad[2];
    a.rows = down.pixels(lines);
    a.columns = along.pixels(g_.pitch);
    a.step = along.step();
    a.out = memory_.strip;
    a.row_size = memory_.strip_row;
    a.ahead = 4 * v_.source_plane();
    for (int64_t c = 0; c < v_.channels; ++c, a.plane += v_.source_plane()) {
      k_.pad(a);
      for (int64_t y = 0; y < down.phases; ++y)
        for (int64_t x = 0; x < along.phases; ++x)
          transform_phase(y, x, lines,
                          memory_.tiles + ((y * along.phases + x) * v_.channels + c) * memory_.tiles_row);
    }
  }

  void transform_phase(int64_t y, int64_t x, int64_t lines, T* points) const {
    const PartLine &down = g_.at().rows, &along = g_.at().columns;
    const int64_t round = along.step(), row = round * memory_.strip_row;
    // Pixels of all columns modulo the step of the tiles, twice the stride, follow each other: the odd
    // ones of a phase may begin a round later than the even ones.
    const int64_t even = along.begin(x), odd = even + along.stride;
    WinogradInputArgs<T> t{};
    t.row = down.stride * row;
    t.residue = (odd % round - even) * memory_.strip_row + odd / round;
    t.next = 1;
    t.lanes = g_.pitch;
    t.point = memory_.tiles_point;
    t.strip = memory_.strip + down.begin(y) * row + even * memory_.strip_row;
    t.points = points;
    t.tiles = lines;
    t.next_strip = down.outputs * t.row;
    t.next_points = g_.pitch;
    w_.input(t);
  }

  void multiply(int64_t row, int64_t rows, int64_t residue) const {
    const int64_t tiles = (lines_ - 1) * g_.pitch + across_, vectors = ceil_div(tiles, g_.lanes);
    const int64_t panels = ceil_div(vectors, k_.tile_vectors);
    for (int64_t point = 0; point < g_.at().points(); ++point) {
      for (int64_t j = 0; j < panels; ++j) {
        const int64_t from = vectors * j / panels * g_.lanes;
        const int64_t to = std::min(vectors * (j + 1) / panels * g_.lanes, tiles);
        multiply_panel(row, rows, residue, point, from, to - from);
      }
    }
  }

  // Tiles from .. from + tiles - 1 at one point.
  void multiply_panel(int64_t row, int64_t rows, int64_t residue, int64_t point, int64_t from,
                      int64_t tiles) const {
    constexpr std::size_t kind[] = {0, 1, 1, 2};
    const PartPoints& at = g_.at();
    const std::size_t list = 3 * kind[at.row_of(point)] + kind[at.column_of(point)];
    const ConvPhase& phase = plan_.phases[9 * static_cast<std::size_t>(residue) + list];
    const int64_t limit = chain_length(plan_, phase.depth);
    TileArgs<T> t{};
    t.a_row = plan_.left.row;
    t.b = memory_.tiles + point * memory_.tiles_point + from;
    t.c_row = memory_.products_row;
    t.ahead_step = g_.filters;
    t.columns = static_cast<int>(tiles);
    int64_t done = 0;
    do {  // at least once: without channels, or without a tap at this point, the products are zero
      t.depth = std::min(limit, phase.depth - done);
      t.accumulate = done > 0;
      t.a_cols = plan_.left.cols.data() + done;
      t.b_rows = phase.b_rows.data() + done;
      const T* panel = find(row, residue, point);
      t.c = memory_.products + point * memory_.products_point + from;
      for (int64_t i = 0; i < rows; i += g_.filters) {
        const bool more = i + g_.filters < rows;
        const T* next = more ? panel + g_.filter_panel : find(row, residue, point + 1);
        multiply_filters(k_, t, panel, g_.filters, std::min(g_.filters, rows - i),
                         from == 0 ? next + done * g_.filters : nullptr);
        panel += g_.filter_panel;
      }
      done += t.depth;
    } while (done < phase.depth);
  }

  const T* find(int64_t row, int64_t residue, int64_t point) const {
    const auto of = static_cast<std::size_t>(residue);
    return filters_ + row / g_.filters * g_.filter_panel + g_.start[of] +
           g_.filter_point(v_, g_.of[of], point);
  }

  // The result's plane of a row, where the tiles of this task begin, residue 0.
  T* result(int64_t row) const {
    return static_cast<T*>(args_.out) + (plane_ * v_.rows + row) * v_.result_plane() +
           column_ * g_.at().columns.outputs * g_.stride[2];
  }

  // Rows y and columns x modulo the stride of the result: to their places if these lie together.
  bool transform_back(int64_t first, int64_t rows, int64_t y, int64_t x) const {
    const int64_t high = g_.at().rows.outputs, wide = g_.at().columns.outputs;
    const bool apart = g_.residues[2] > 1;
    const T* bias = static_cast<const T*>(args_.bias);
    if (bias) bias += plane_ % plan_.problem.groups * v_.rows + first;
    T* const out = apart ? memory_.results + x * memory_.result_residue : result(first);
    WinogradOutputArgs<T> t{};
    t.point = memory_.products_point;
    t.tiles = across_;
    t.out_row = apart ? memory_.result_row : g_.stride[1] * v_.result[2];
    t.out_step = 1;
    t.columns = std::min(across_ * wide, g_.width_of_result - column_ * wide);
    t.relu = args_.relu;
    t.filters = rows;
    t.next_points = memory_.products_row;
    t.next_out = apart ? memory_.result_plane : v_.result_plane();
    t.bias = bias;
    bool finite = true;
    for (int64_t line = 0; line < lines_; ++line) {
      const int64_t at = (top_ + line) * high * g_.stride[1] + y;
      t.rows = std::min(high, ceil_div(v_.result[1] - at, g_.stride[1]));
      t.points = memory_.products + line * g_.pitch;
      t.out = apart ? out + line * high * memory_.result_row : out + at * v_.result[2];
      finite &= w_.output(t);
    }
    return finite;
  }

  // All residues of the columns to lines of the result, those of row y modulo the stride.
  void merge_columns(int64_t first, int64_t rows, int64_t y) const {
    const int64_t high = g_.at().rows.outputs, wide = g_.at().columns.outputs;
    const int64_t columns = std::min(across_ * wide * g_.stride[2],
                                     v_.result[2] - column_ * wide * g_.stride[2]);
    for (int64_t i = 0; i < rows; ++i) {
      const T* in = memory_.results + i * memory_.result_plane;
      for (int64_t line = 0; line < lines_ * high; ++line, in += memory_.result_row) {
        const int64_t at = (top_ * high + line) * g_.stride[1] + y;
        if (at >= v_.result[1]) break;
        merge_residues(k_, in, memory_.result_residue, g_.residues[2], columns, memory_.merged,
                       result(first + i) + at * v_.result[2]);
      }
    }
  }

  const ConvPlan& plan_;
  const WinogradView v_;
  const PartsGrid<T>& g_;
  const Kernels<T>& k_;
  const WinogradKernels<T>& w_;
  const ConvArgs& args_;
  Arena arena_;
  const PartsMemory<T> memory_;
  int64_t plane_ = 0, row_ = 0, rows_ = 0, top_ = 0, lines_ = 0, column_ = 0, across_ = 0;
  const T* filters_ = nullptr;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  const T* const filters = static_cast<const T*>(packed_for_call(plan, args));
  const PartsGrid<T> g(plan);
  run_or_fall_back(plan, args, conv_work(plan.problem) / 2, [&](int64_t task) {
    return PartsTask<T>(plan, args, g, filters, task);
  });
}

void run_parts(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

}  // namespace

const ConvAlgorithm winograd_parts_forward{
    "winograd_parts", Direction::forward, Precision::highest, parts_refuse, prefers_parts,
    plan_parts, run_parts, pack_parts, 1, true};
const ConvAlgorithm winograd_parts_input{
    "winograd_parts", Direction::input, Precision::highest, parts_refuse, prefers_parts,
    plan_parts, run_parts, pack_parts, 1, true};

}  // namespace pyconv

// How a choice of algorithm is put into words, of whatever it is a choice.
#pragma once
#include <stdexcept>
#include <string>

#include "kernels/table.hpp"

namespace pyconv {

constexpr const char* expected_slower =
    "can run, but a later algorithm is expected to be faster";

inline const char* needed_precision(Precision precision) {
  return precision == Precision::high ? "its rounding needs precision 'high'"
                                      : "its rounding needs precision 'medium'";
}

inline std::invalid_argument refused_algorithm(const std::string& name, const std::string& why) {
  return std::invalid_argument("argument 'algorithm': '" + name + "' refuses this problem: " +
                               why);
}

inline std::invalid_argument unknown_algorithm(const std::string& name,
                                               const std::string& known) {
  return std::invalid_argument("argument 'algorithm': expected one of " + known + ", got '" +
                               name + "'");
}

}  // namespace pyconv

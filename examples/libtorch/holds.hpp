#pragma once
// What an example claims of its own output. One that does not hold ends the program with status 1.

#include <iostream>
#include <string_view>

class Claims {
 public:
  /// Prints the sentence and whether it holds.
  void operator()(std::string_view sentence, bool holds) {
    std::cout << sentence << (holds ? ": yes\n" : ": no\n");
    all_hold_ = all_hold_ && holds;
  }
  /// For main to return.
  int status() const { return all_hold_ ? 0 : 1; }

 private:
  bool all_hold_ = true;
};

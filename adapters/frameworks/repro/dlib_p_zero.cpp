// dlib 19.24: dropout_ with a drop rate of 0 drops one element in 2^24.
//   g++ -O2 dlib_p_zero.cpp -ldlib && ./a.out
#include <dlib/dnn.h>

#include <cstdio>

int main() {
  std::srand(1);
  dlib::dropout_ layer(0);
  dlib::resizable_tensor ones(1, 1, 1 << 10, 1 << 14), y;  // 2^24 elements
  ones = 1;
  y.copy_size(ones);
  long drops = 0;
  for (int call = 0; call < 64; ++call) {
    layer.forward_inplace(ones, y);
    for (const float value : y) drops += value == 0;
  }
  std::printf("drop_rate 0: %ld of %ld elements are dropped\n", drops, 64l << 24);
}

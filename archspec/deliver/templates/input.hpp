// A photo as the input of $model: the pre-processing of archspec, to the bit. C++17, standard library only.
//
// Photos come as they are meant to be seen: apply the EXIF orientation before. Decoders of JPEG may differ by a step or
// two of 255; all that follows does not. GCC on ARM needs -ffp-contract=off: a fused multiply-add rounds once where
// Pillow and NumPy round twice. Clang is told so below.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace $Class {

inline constexpr int kWidth = $width;
inline constexpr int kHeight = $height;
inline constexpr int kChannels = $channels;
inline constexpr std::string_view kColor = "$color";    // rgb, bgr or gray
inline constexpr std::string_view kResize = "$resize";  // stretch, crop to the middle, or pad with black
$constants

using Pixels = std::vector<std::uint8_t>;

struct Box {
  int left, top, right, bottom;
};

// Value of a pixel of 0..255 in a channel (in the order of kColor), as the network was trained on.
inline float value(int p, int c) {
#ifdef __clang__
#pragma clang fp contract(off)
#endif
  static_cast<void>(c);  // a range is the same for all channels
  return $value;
}

// The step of a quantized tensor that stands for a value: half to even, clamped to low..high.
inline int quantize(float v, float scale, int zero_point, int low, int high) {
  const double step = std::nearbyint(v / static_cast<double>(scale)) + zero_point;
  return static_cast<int>(std::clamp(step, static_cast<double>(low), static_cast<double>(high)));
}

// The largest box of an aspect in the middle of a frame.
inline Box middle(int aspect_width, int aspect_height, int frame_width, int frame_height) {
  const double scale = std::min(static_cast<double>(frame_width) / aspect_width,
                                static_cast<double>(frame_height) / aspect_height);
  const int width = std::max(1, static_cast<int>(std::nearbyint(aspect_width * scale)));
  const int height = std::max(1, static_cast<int>(std::nearbyint(aspect_height * scale)));
  const int left = (frame_width - width) / 2, top = (frame_height - height) / 2;
  return {left, top, left + width, top + height};
}

// Pillow's BILINEAR along lines: a triangle, widened by the factor of a reduction, over from..to of `size` pixels.
// What comes out is transposed: `count` lines, each with a pixel of every line that went in.
inline Pixels resample(const std::uint8_t* rgb, int lines, int size, int from, int to, int count) {
#ifdef __clang__
#pragma clang fp contract(off)
#endif
  constexpr int bits = 22;  // of the fixed-point weights of Pillow's filters
  Pixels out(static_cast<std::size_t>(count) * lines * 3);
  auto next = out.begin();
  const double scale = static_cast<double>(to - from) / count;
  const double support = std::max(scale, 1.0), narrow = 1.0 / support;
  std::vector<double> exact;
  std::vector<int> weights;
  for (int i = 0; i < count; i++) {
    const double center = from + (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int taps = std::min(size, static_cast<int>(center + support + 0.5)) - first;
    exact.resize(taps);
    weights.resize(taps);
    double sum = 0;
    for (int k = 0; k < taps; k++) {
      exact[k] = std::max(0.0, 1.0 - std::abs((first + k - center + 0.5) * narrow));
      sum += exact[k];
    }
    for (int k = 0; k < taps; k++) weights[k] = static_cast<int>(0.5 + exact[k] / sum * (1 << bits));
    for (int line = 0; line < lines; line++) {
      const std::uint8_t* pixel = rgb + (static_cast<std::size_t>(line) * size + first) * 3;
      for (int c = 0; c < 3; c++) {
        int total = 1 << (bits - 1);
        for (int k = 0; k < taps; k++) total += pixel[k * 3 + c] * weights[k];
        *next++ = static_cast<std::uint8_t>(std::clamp(total >> bits, 0, 255));
      }
    }
  }
  return out;
}

// A photo, RGB by rows, as kHeight * kWidth * kChannels values.
inline std::vector<float> prepare(const std::uint8_t* rgb, int width, int height) {
  Box part{0, 0, width, height};      // of the photo, that is used
  Box filled{0, 0, kWidth, kHeight};  // of the input, that it fills
  if (kResize == "crop") part = middle(kWidth, kHeight, width, height);
  if (kResize == "pad") filled = middle(width, height, kWidth, kHeight);
  const int columns = filled.right - filled.left, rows = filled.bottom - filled.top;
  const Pixels turned = resample(rgb, height, width, part.left, part.right, columns);
  const Pixels resized = resample(turned.data(), columns, height, part.top, part.bottom, rows);
  Pixels canvas(static_cast<std::size_t>(kWidth) * kHeight * 3);
  for (int y = 0; y < rows; y++) {
    std::copy_n(resized.begin() + y * columns * 3, columns * 3,
                canvas.begin() + ((y + filled.top) * kWidth + filled.left) * 3);
  }
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(kWidth) * kHeight * kChannels);
  for (std::size_t i = 0; i < canvas.size(); i += 3) {
    if (kColor == "gray") {  // ITU-R 601-2 luma, as Pillow's convert("L")
      const int luma = canvas[i] * 19595 + canvas[i + 1] * 38470 + canvas[i + 2] * 7471;
      values.push_back(value((luma + 0x8000) >> 16, 0));
    } else {
      for (int c = 0; c < 3; c++) values.push_back(value(canvas[i + (kColor == "bgr" ? 2 - c : c)], c));
    }
  }
  return values;
}

}  // namespace $Class

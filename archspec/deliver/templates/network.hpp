// $model on photos, by the C API of TensorFlow Lite (LiteRT): link libtensorflowlite_c, or what else has its symbols.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "${model}_input.hpp"
#include "tensorflow/lite/c/c_api.h"

namespace $Class {

// Not for several threads at a time. Throws std::runtime_error where the runtime refuses something.
class Network {
 public:
  explicit Network(const char* path) : model_(TfLiteModelCreateFromFile(path), TfLiteModelDelete) {
    if (!model_) throw std::runtime_error(std::string("cannot read ") + path);
    interpreter_.reset(TfLiteInterpreterCreate(model_.get(), nullptr));
    if (!interpreter_ || TfLiteInterpreterGetSignatureCount(interpreter_.get()) < 1) {
      throw std::runtime_error(std::string("cannot run ") + path);
    }
    const char* key = TfLiteInterpreterGetSignatureKey(interpreter_.get(), 0);
    runner_.reset(TfLiteInterpreterGetSignatureRunner(interpreter_.get(), key));
    if (!runner_) throw std::runtime_error(std::string("no signature in ") + path);
    check(TfLiteSignatureRunnerAllocateTensors(runner_.get()), "allocate");
  }

  // The answers to a photo, RGB by rows: by output, dequantized, in the order of the tensor (by rows, channels last).
  std::map<std::string, std::vector<float>> run(const std::uint8_t* rgb, int width, int height) {
    const char* input = TfLiteSignatureRunnerGetInputName(runner_.get(), 0);
    fill(TfLiteSignatureRunnerGetInputTensor(runner_.get(), input), prepare(rgb, width, height));
    check(TfLiteSignatureRunnerInvoke(runner_.get()), "run");
    std::map<std::string, std::vector<float>> answers;
    const int count = static_cast<int>(TfLiteSignatureRunnerGetOutputCount(runner_.get()));
    for (int i = 0; i < count; i++) {
      const char* name = TfLiteSignatureRunnerGetOutputName(runner_.get(), i);
      answers[name] = read(TfLiteSignatureRunnerGetOutputTensor(runner_.get(), name));
    }
    return answers;
  }

 private:
  template <typename T>
  static void store(TfLiteTensor* tensor, const std::vector<float>& values) {
    const TfLiteQuantizationParams steps = TfLiteTensorQuantizationParams(tensor);
    std::vector<T> stored;
    for (float v : values) {
      stored.push_back(static_cast<T>(quantize(v, steps.scale, steps.zero_point, std::numeric_limits<T>::min(),
                                               std::numeric_limits<T>::max())));
    }
    check(TfLiteTensorCopyFromBuffer(tensor, stored.data(), stored.size() * sizeof(T)), "feed");
  }

  static void fill(TfLiteTensor* tensor, const std::vector<float>& values) {
    switch (TfLiteTensorType(tensor)) {
      case kTfLiteFloat32:
        check(TfLiteTensorCopyFromBuffer(tensor, values.data(), values.size() * sizeof(float)), "feed");
        break;
      case kTfLiteInt8: store<std::int8_t>(tensor, values); break;
      case kTfLiteUInt8: store<std::uint8_t>(tensor, values); break;
      case kTfLiteInt16: store<std::int16_t>(tensor, values); break;
      default: throw std::runtime_error("input of an unknown type");
    }
  }

  template <typename T>
  static std::vector<T> load(const TfLiteTensor* tensor) {
    std::vector<T> stored(TfLiteTensorByteSize(tensor) / sizeof(T));
    check(TfLiteTensorCopyToBuffer(tensor, stored.data(), stored.size() * sizeof(T)), "read");
    return stored;
  }

  template <typename T>
  static std::vector<float> dequantized(const TfLiteTensor* tensor) {
    const TfLiteQuantizationParams steps = TfLiteTensorQuantizationParams(tensor);
    std::vector<float> values;
    for (T stored : load<T>(tensor)) {
      values.push_back(static_cast<float>((stored - steps.zero_point) * static_cast<double>(steps.scale)));
    }
    return values;
  }

  static std::vector<float> read(const TfLiteTensor* tensor) {
    switch (TfLiteTensorType(tensor)) {
      case kTfLiteFloat32: return load<float>(tensor);
      case kTfLiteInt8: return dequantized<std::int8_t>(tensor);
      case kTfLiteUInt8: return dequantized<std::uint8_t>(tensor);
      case kTfLiteInt16: return dequantized<std::int16_t>(tensor);
      default: throw std::runtime_error("output of an unknown type");
    }
  }

  static void check(TfLiteStatus status, const char* what) {
    if (status != kTfLiteOk) throw std::runtime_error(std::string("cannot ") + what);
  }

  std::unique_ptr<TfLiteModel, void (*)(TfLiteModel*)> model_;
  std::unique_ptr<TfLiteInterpreter, void (*)(TfLiteInterpreter*)> interpreter_{nullptr, TfLiteInterpreterDelete};
  std::unique_ptr<TfLiteSignatureRunner, void (*)(TfLiteSignatureRunner*)> runner_{nullptr, TfLiteSignatureRunnerDelete};
};

}  // namespace $Class

// The part of TensorFlow Lite's C API that a network's header uses, with a runtime that answers with what it is fed.
// Its "model" is a text file: number of the type, elements, scale, zero point.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <vector>

typedef enum { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;
typedef enum { kTfLiteFloat32 = 1, kTfLiteUInt8 = 3, kTfLiteInt16 = 7, kTfLiteInt8 = 9 } TfLiteType;
typedef struct { float scale; int32_t zero_point; } TfLiteQuantizationParams;

struct TfLiteTensor {
  int type;
  size_t count;
  TfLiteQuantizationParams steps;
  std::vector<char> bytes;
};
struct TfLiteModel { TfLiteTensor tensor; };
struct TfLiteInterpreter { TfLiteTensor tensor; };
struct TfLiteSignatureRunner { TfLiteTensor input, output; };
struct TfLiteInterpreterOptions;

inline TfLiteModel* TfLiteModelCreateFromFile(const char* path) {
  std::ifstream file(path);
  TfLiteTensor t;
  if (!(file >> t.type >> t.count >> t.steps.scale >> t.steps.zero_point)) return nullptr;
  t.bytes.resize(t.count * (t.type == kTfLiteFloat32 ? 4 : t.type == kTfLiteInt16 ? 2 : 1));
  return new TfLiteModel{t};
}
inline void TfLiteModelDelete(TfLiteModel* model) { delete model; }
inline TfLiteInterpreter* TfLiteInterpreterCreate(const TfLiteModel* model, const TfLiteInterpreterOptions*) {
  return new TfLiteInterpreter{model->tensor};
}
inline void TfLiteInterpreterDelete(TfLiteInterpreter* interpreter) { delete interpreter; }
inline int32_t TfLiteInterpreterGetSignatureCount(const TfLiteInterpreter*) { return 1; }
inline const char* TfLiteInterpreterGetSignatureKey(const TfLiteInterpreter*, int32_t) { return "serving_default"; }
inline TfLiteSignatureRunner* TfLiteInterpreterGetSignatureRunner(const TfLiteInterpreter* i, const char*) {
  return new TfLiteSignatureRunner{i->tensor, i->tensor};
}
inline void TfLiteSignatureRunnerDelete(TfLiteSignatureRunner* runner) { delete runner; }
inline TfLiteStatus TfLiteSignatureRunnerAllocateTensors(TfLiteSignatureRunner*) { return kTfLiteOk; }
inline const char* TfLiteSignatureRunnerGetInputName(const TfLiteSignatureRunner*, int32_t) { return "image"; }
inline TfLiteTensor* TfLiteSignatureRunnerGetInputTensor(TfLiteSignatureRunner* r, const char*) { return &r->input; }
inline TfLiteStatus TfLiteSignatureRunnerInvoke(TfLiteSignatureRunner* r) {
  r->output.bytes = r->input.bytes;
  return kTfLiteOk;
}
inline size_t TfLiteSignatureRunnerGetOutputCount(const TfLiteSignatureRunner*) { return 1; }
inline const char* TfLiteSignatureRunnerGetOutputName(const TfLiteSignatureRunner*, int32_t) { return "echo"; }
inline const TfLiteTensor* TfLiteSignatureRunnerGetOutputTensor(const TfLiteSignatureRunner* r, const char*) {
  return &r->output;
}
inline TfLiteType TfLiteTensorType(const TfLiteTensor* t) { return static_cast<TfLiteType>(t->type); }
inline size_t TfLiteTensorByteSize(const TfLiteTensor* t) { return t->bytes.size(); }
inline TfLiteQuantizationParams TfLiteTensorQuantizationParams(const TfLiteTensor* t) { return t->steps; }
inline TfLiteStatus TfLiteTensorCopyFromBuffer(TfLiteTensor* t, const void* from, size_t size) {
  if (size != t->bytes.size()) return kTfLiteError;
  std::memcpy(t->bytes.data(), from, size);
  return kTfLiteOk;
}
inline TfLiteStatus TfLiteTensorCopyToBuffer(const TfLiteTensor* t, void* to, size_t size) {
  if (size != t->bytes.size()) return kTfLiteError;
  std::memcpy(to, t->bytes.data(), size);
  return kTfLiteOk;
}

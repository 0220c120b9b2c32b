/* Runs a .tflite file by TensorFlow Lite's C library, which has XNNPACK on no 32-bit ARM: its builtin kernels.

   runner LIBRARY MODEL IN OUT

   IN holds raw input tensors, any number of images one after the other; OUT gets every image's output tensors. For each
   output a line `output BYTES NAME` goes to standard output, in OUT's order. Exit code 1 and a line on standard error
   tell of a failure. The prototypes are those of tensorflow/lite/c/c_api.h, version 2.17. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST 64 /* outputs */

static void *library;

static void *entry(const char *name) {
  void *found = dlsym(library, name);
  if (found) return found;
  fprintf(stderr, "the library has no %s\n", name);
  exit(1);
}

static void need(int good, const char *what) {
  if (good) return;
  fprintf(stderr, "%s failed\n", what);
  exit(1);
}

#define CALL(type, name, ...) ((type)entry(#name))(__VA_ARGS__)
typedef void *(*Get)(const void *);
typedef int (*Count)(const void *);
typedef void *(*Nth)(const void *, int);
typedef size_t (*Size)(const void *);
typedef int (*Step)(void *);

int main(int argc, char **argv) {
  need(argc == 5, "runner LIBRARY MODEL IN OUT: reading the arguments");
  library = dlopen(argv[1], RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;

  void *model = CALL(void *(*)(const char *), TfLiteModelCreateFromFile, argv[2]);
  need(model != NULL, "TfLiteModelCreateFromFile");
  void *options = CALL(void *(*)(void), TfLiteInterpreterOptionsCreate);
  CALL(void (*)(void *, int), TfLiteInterpreterOptionsSetNumThreads, options, 1);
  void *net = CALL(void *(*)(const void *, const void *), TfLiteInterpreterCreate, model, options);
  need(net != NULL, "TfLiteInterpreterCreate");
  need(CALL(Step, TfLiteInterpreterAllocateTensors, net) == 0, "TfLiteInterpreterAllocateTensors");
  need(CALL(Count, TfLiteInterpreterGetInputTensorCount, net) == 1, "finding one input");
  int outputs = CALL(Count, TfLiteInterpreterGetOutputTensorCount, net);
  need(outputs > 0 && outputs <= MOST, "finding 1 to 64 outputs");

  Get data = (Get)entry("TfLiteTensorData");
  Size size = (Size)entry("TfLiteTensorByteSize");
  void *taken = CALL(Nth, TfLiteInterpreterGetInputTensor, net, 0);
  void *given[MOST];
  for (int i = 0; i < outputs; i++) {
    given[i] = CALL(Nth, TfLiteInterpreterGetOutputTensor, net, i);
    printf("output %zu %s\n", size(given[i]), CALL(const char *(*)(const void *), TfLiteTensorName, given[i]));
  }

  FILE *in = fopen(argv[3], "rb"), *out = fopen(argv[4], "wb");
  need(in && out, "opening the files of tensors");
  size_t read;
  while ((read = fread(data(taken), 1, size(taken), in)) == size(taken)) {
    need(CALL(Step, TfLiteInterpreterInvoke, net) == 0, "TfLiteInterpreterInvoke");
    for (int i = 0; i < outputs; i++)
      need(fwrite(data(given[i]), 1, size(given[i]), out) == size(given[i]), "writing an output");
  }
  need(read == 0, "reading whole images");
  need(fclose(out) == 0, "writing the outputs");
  return 0;
}

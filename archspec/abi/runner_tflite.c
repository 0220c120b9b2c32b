/* Runs .tflite files by TensorFlow Lite's C library, which has XNNPACK on no 32-bit ARM: its builtin kernels.

   runner LIBRARY MODEL IN OUT [MODEL IN OUT]...

   IN holds raw inputs, any number of images one after the other, of each all input tensors in the file's order; OUT gets
   every image's output tensors. For each model a line `model MODEL` goes to standard output before it is opened, then
   for each output a line `output BYTES NAME`, in OUT's order. Exit code 1 and a line on standard error tell of a
   failure. Each inference stands between the markers of icount.c. The prototypes are those of
   tensorflow/lite/c/c_api.h, version 2.17. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 64 /* inputs, outputs */
#define START 0x7EED0001
#define STOP 0x7EED0002

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
typedef void (*Delete)(void *);

static void run(const char *file, const char *given_at, const char *got_at) {
  void *model = CALL(void *(*)(const char *), TfLiteModelCreateFromFile, file);
  need(model != NULL, "TfLiteModelCreateFromFile");
  void *options = CALL(void *(*)(void), TfLiteInterpreterOptionsCreate);
  CALL(void (*)(void *, int), TfLiteInterpreterOptionsSetNumThreads, options, 1);
  void *net = CALL(void *(*)(const void *, const void *), TfLiteInterpreterCreate, model, options);
  need(net != NULL, "TfLiteInterpreterCreate");
  need(CALL(Step, TfLiteInterpreterAllocateTensors, net) == 0, "TfLiteInterpreterAllocateTensors");
  int inputs = CALL(Count, TfLiteInterpreterGetInputTensorCount, net);
  int outputs = CALL(Count, TfLiteInterpreterGetOutputTensorCount, net);
  need(inputs > 0 && inputs <= MOST && outputs > 0 && outputs <= MOST, "finding 1 to 64 inputs and outputs");

  Get data = (Get)entry("TfLiteTensorData");
  Size size = (Size)entry("TfLiteTensorByteSize");
  Step invoke = (Step)entry("TfLiteInterpreterInvoke");
  void *taken[MOST], *given[MOST];
  for (int i = 0; i < inputs; i++) taken[i] = CALL(Nth, TfLiteInterpreterGetInputTensor, net, i);
  for (int i = 0; i < outputs; i++) {
    given[i] = CALL(Nth, TfLiteInterpreterGetOutputTensor, net, i);
    printf("output %zu %s\n", size(given[i]), CALL(const char *(*)(const void *), TfLiteTensorName, given[i]));
  }

  FILE *in = fopen(given_at, "rb"), *out = fopen(got_at, "wb");
  need(in && out, "opening the files of tensors");
  for (int next = getc(in); next != EOF; next = getc(in)) {
    ungetc(next, in);
    for (int i = 0; i < inputs; i++)
      need(fread(data(taken[i]), 1, size(taken[i]), in) == size(taken[i]), "reading whole images");
    getpgid(START);
    int failed = invoke(net);
    getpgid(STOP);
    need(!failed, "TfLiteInterpreterInvoke");
    for (int i = 0; i < outputs; i++)
      need(fwrite(data(given[i]), 1, size(given[i]), out) == size(given[i]), "writing an output");
  }
  need(fclose(out) == 0, "writing the outputs");
  fclose(in);
  CALL(Delete, TfLiteInterpreterDelete, net);
  CALL(Delete, TfLiteInterpreterOptionsDelete, options);
  CALL(Delete, TfLiteModelDelete, model);
}

int main(int argc, char **argv) {
  need(argc >= 5 && argc % 3 == 2, "runner LIBRARY MODEL IN OUT...: reading the arguments");
  library = dlopen(argv[1], RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
  for (int i = 2; i < argc; i += 3) {
    printf("model %s\n", argv[i]);
    fflush(stdout); /* a crash leaves no time for it */
    run(argv[i], argv[i + 1], argv[i + 2]);
  }
  return 0;
}

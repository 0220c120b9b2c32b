/* Runs a .tflite file by LiteRT's C library, with XNNPACK's kernels.

   runner LIBRARY MODEL IN OUT

   IN holds raw input tensors, any number of images one after the other; OUT gets every image's output tensors. For each
   output a line `output BYTES NAME` goes to standard output, in OUT's order; NAME is the signature's. Exit code 1 and a
   line on standard error tell of a failure. The prototypes are those of LiteRT 2.3.0, whose C interface changes from
   release to release; every call returns 0 for success. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 64 /* outputs */
#define CPU 1   /* kLiteRtHwAcceleratorCpu */
enum { READ, WRITE };

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

typedef void *Handle;
typedef union {
  char room[512]; /* of a LiteRtRankedTensorType, which is smaller */
  long long aligned;
} Type;
#define CALL(types, name, ...) need(((int (*) types)entry(#name))(__VA_ARGS__) == 0, #name)

static Handle environment;

static Handle buffer_for(Handle tensor, Handle requirements, size_t *size) {
  Type type;
  Handle made;
  CALL((Handle, Type *), LiteRtGetRankedTensorType, tensor, &type);
  CALL((Handle, const Type *, Handle, Handle *), LiteRtCreateManagedTensorBufferFromRequirements, environment, &type,
       requirements, &made);
  CALL((Handle, size_t *), LiteRtGetTensorBufferPackedSize, made, size);
  return made;
}

static Handle compiled(Handle model) {
  Handle options, xnnpack, made;
  CALL((Handle *), LiteRtCreateOptions, &options);
  CALL((Handle, int), LiteRtSetOptionsHardwareAccelerators, options, CPU);
  char *settings = strdup("num_threads = 1\nkernel_mode = 0\n"); /* 0: XNNPACK, and builtin kernels for the rest */
  CALL((const char *, void *, void (*)(void *), Handle *), LiteRtCreateOpaqueOptions, "xnnpack", settings, free,
       &xnnpack);
  CALL((Handle, Handle), LiteRtAddOpaqueOptions, options, xnnpack);
  CALL((Handle, Handle, Handle, Handle *), LiteRtCreateCompiledModel, environment, model, options, &made);
  return made;
}

static void copy(Handle buffer, int mode, void *bytes, size_t size) {
  void *address;
  CALL((Handle, void **, int), LiteRtLockTensorBuffer, buffer, &address, mode);
  memcpy(mode == WRITE ? address : bytes, mode == WRITE ? bytes : address, size);
  CALL((Handle), LiteRtUnlockTensorBuffer, buffer);
}

int main(int argc, char **argv) {
  need(argc == 5, "runner LIBRARY MODEL IN OUT: reading the arguments");
  library = dlopen(argv[1], RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;

  Handle model, signature, tensor, requirements, taken, given[MOST];
  size_t inputs, outputs, size, sizes[MOST];
  const char *name;
  CALL((int, const void *, Handle *), LiteRtCreateEnvironment, 0, NULL, &environment);
  CALL((Handle, const char *, Handle *), LiteRtCreateModelFromFile, environment, argv[2], &model);
  Handle net = compiled(model);
  CALL((Handle, size_t, Handle *), LiteRtGetModelSignature, model, 0, &signature);
  CALL((Handle, size_t *), LiteRtGetNumSignatureInputs, signature, &inputs);
  CALL((Handle, size_t *), LiteRtGetNumSignatureOutputs, signature, &outputs);
  need(inputs == 1 && outputs > 0 && outputs <= MOST, "finding one input and 1 to 64 outputs");

  CALL((Handle, size_t, Handle *), LiteRtGetSignatureInputTensorByIndex, signature, 0, &tensor);
  CALL((Handle, size_t, size_t, Handle *), LiteRtGetCompiledModelInputBufferRequirements, net, 0, 0, &requirements);
  taken = buffer_for(tensor, requirements, &size);
  size_t largest = size;
  for (size_t i = 0; i < outputs; i++) {
    CALL((Handle, size_t, Handle *), LiteRtGetSignatureOutputTensorByIndex, signature, i, &tensor);
    CALL((Handle, size_t, size_t, Handle *), LiteRtGetCompiledModelOutputBufferRequirements, net, 0, i, &requirements);
    CALL((Handle, size_t, const char **), LiteRtGetSignatureOutputName, signature, i, &name);
    given[i] = buffer_for(tensor, requirements, &sizes[i]);
    printf("output %zu %s\n", sizes[i], name);
    if (sizes[i] > largest) largest = sizes[i];
  }

  FILE *in = fopen(argv[3], "rb"), *out = fopen(argv[4], "wb");
  void *bytes = malloc(largest);
  need(in && out && bytes, "opening the files of tensors");
  size_t read;
  while ((read = fread(bytes, 1, size, in)) == size) {
    copy(taken, WRITE, bytes, size);
    CALL((Handle, size_t, size_t, Handle *, size_t, Handle *), LiteRtRunCompiledModel, net, 0, inputs, &taken, outputs,
         given);
    for (size_t i = 0; i < outputs; i++) {
      copy(given[i], READ, bytes, sizes[i]);
      need(fwrite(bytes, 1, sizes[i], out) == sizes[i], "writing an output");
    }
  }
  need(read == 0, "reading whole images");
  need(fclose(out) == 0, "writing the outputs");
  return 0;
}

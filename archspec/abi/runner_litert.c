/* Runs .tflite files by LiteRT's C library, with XNNPACK's kernels.

   runner LIBRARY MODEL IN OUT [MODEL IN OUT]...

   IN holds raw inputs, any number of images one after the other, of each all input tensors in the signature's order; OUT
   gets every image's output tensors. For each model a line `model MODEL` goes to standard output before it is opened,
   then for each output a line `output BYTES NAME`, in OUT's order; NAME is the signature's. Exit code 1 and a line on
   standard error tell of a failure. Each inference stands between the markers of icount.c. The prototypes are those of
   LiteRT 2.3.0, whose C interface changes from release to release; a call that returns something returns 0 for success. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 64 /* inputs, outputs */
#define CPU 1   /* kLiteRtHwAcceleratorCpu */
#define START 0x7EED0001
#define STOP 0x7EED0002
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
typedef struct {
  Handle buffers[MOST];
  size_t sizes[MOST], count;
} Tensors;
typedef int (*Run)(Handle, size_t, size_t, Handle *, size_t, Handle *);
#define CALL(types, name, ...) need(((int (*) types)entry(#name))(__VA_ARGS__) == 0, #name)
#define DESTROY(name, handle) ((void (*)(Handle))entry(#name))(handle)

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
  DESTROY(LiteRtDestroyOptions, options);
  return made;
}

static Tensors inputs_of(Handle signature, Handle net) {
  Tensors made;
  Handle tensor, requirements;
  CALL((Handle, size_t *), LiteRtGetNumSignatureInputs, signature, &made.count);
  need(made.count > 0 && made.count <= MOST, "finding 1 to 64 inputs");
  for (size_t i = 0; i < made.count; i++) {
    CALL((Handle, size_t, Handle *), LiteRtGetSignatureInputTensorByIndex, signature, i, &tensor);
    CALL((Handle, size_t, size_t, Handle *), LiteRtGetCompiledModelInputBufferRequirements, net, 0, i, &requirements);
    made.buffers[i] = buffer_for(tensor, requirements, &made.sizes[i]);
  }
  return made;
}

static Tensors outputs_of(Handle signature, Handle net) {
  Tensors made;
  Handle tensor, requirements;
  const char *name;
  CALL((Handle, size_t *), LiteRtGetNumSignatureOutputs, signature, &made.count);
  need(made.count > 0 && made.count <= MOST, "finding 1 to 64 outputs");
  for (size_t i = 0; i < made.count; i++) {
    CALL((Handle, size_t, Handle *), LiteRtGetSignatureOutputTensorByIndex, signature, i, &tensor);
    CALL((Handle, size_t, size_t, Handle *), LiteRtGetCompiledModelOutputBufferRequirements, net, 0, i, &requirements);
    CALL((Handle, size_t, const char **), LiteRtGetSignatureOutputName, signature, i, &name);
    made.buffers[i] = buffer_for(tensor, requirements, &made.sizes[i]);
    printf("output %zu %s\n", made.sizes[i], name);
  }
  return made;
}

/* Between a file and a buffer; whether all of it went. */
static int copy(Handle buffer, int mode, FILE *file, size_t size) {
  void *address;
  CALL((Handle, void **, int), LiteRtLockTensorBuffer, buffer, &address, mode);
  size_t done = mode == WRITE ? fread(address, 1, size, file) : fwrite(address, 1, size, file);
  CALL((Handle), LiteRtUnlockTensorBuffer, buffer);
  return done == size;
}

static void run(const char *file, const char *given_at, const char *got_at) {
  Handle model, signature;
  CALL((Handle, const char *, Handle *), LiteRtCreateModelFromFile, environment, file, &model);
  Handle net = compiled(model);
  CALL((Handle, size_t, Handle *), LiteRtGetModelSignature, model, 0, &signature);
  Tensors taken = inputs_of(signature, net), given = outputs_of(signature, net);
  Run invoke = (Run)entry("LiteRtRunCompiledModel");

  FILE *in = fopen(given_at, "rb"), *out = fopen(got_at, "wb");
  need(in && out, "opening the files of tensors");
  for (int next = getc(in); next != EOF; next = getc(in)) {
    ungetc(next, in);
    for (size_t i = 0; i < taken.count; i++)
      need(copy(taken.buffers[i], WRITE, in, taken.sizes[i]), "reading whole images");
    getpgid(START);
    int failed = invoke(net, 0, taken.count, taken.buffers, given.count, given.buffers);
    getpgid(STOP);
    need(!failed, "LiteRtRunCompiledModel");
    for (size_t i = 0; i < given.count; i++)
      need(copy(given.buffers[i], READ, out, given.sizes[i]), "writing an output");
  }
  need(fclose(out) == 0, "writing the outputs");
  fclose(in);
  for (size_t i = 0; i < taken.count; i++) DESTROY(LiteRtDestroyTensorBuffer, taken.buffers[i]);
  for (size_t i = 0; i < given.count; i++) DESTROY(LiteRtDestroyTensorBuffer, given.buffers[i]);
  DESTROY(LiteRtDestroyCompiledModel, net);
  DESTROY(LiteRtDestroyModel, model);
}

int main(int argc, char **argv) {
  need(argc >= 5 && argc % 3 == 2, "runner LIBRARY MODEL IN OUT...: reading the arguments");
  library = dlopen(argv[1], RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
  CALL((int, const void *, Handle *), LiteRtCreateEnvironment, 0, NULL, &environment);
  for (int i = 2; i < argc; i += 3) {
    printf("model %s\n", argv[i]);
    fflush(stdout); /* a crash leaves no time for it */
    run(argv[i], argv[i + 1], argv[i + 2]);
  }
  return 0;
}

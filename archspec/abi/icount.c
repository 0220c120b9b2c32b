/* Counts the instructions that a guest executes between two markers: a plugin of qemu's TCG.

   qemu -plugin FILE,out=OUT ...

   The guest calls getpgid(0x7EED0001) before what is to be counted and getpgid(0x7EED0002) behind it; no process has
   such a number, so the call does nothing. For each such pair a line `SIMD MEMORY BRANCH OTHER` goes to OUT. The classes
   share nothing, and their sum is all that was executed:
     memory  loads and stores of any register, vectors and pc too; prefetches, exclusives
     simd    what else works on vector or floating-point registers: arithmetic, and moves to and from them
     branch  jumps, calls and returns that read no memory
     other   the rest: scalar integers, system
   An instruction counts when the translated block it is in is entered, a predicated one whether it takes effect or not.
   The encodings are those of the ARMv7-A and ARMv8-A architecture reference manuals, as far as the emulated CPUs have
   them. Debian ships no header for plugins: the prototypes are those of version 1 of the interface, qemu 7.2. They are
   weak, so that the library loads outside of qemu too, where its classes can be asked for. */

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define START 0x7EED0001
#define STOP 0x7EED0002
#define EXPORT __attribute__((visibility("default")))
#define QEMU __attribute__((weak))

typedef uint64_t Id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum Operation { ADD_U64 };
typedef struct {
  const char *target;
  struct {
    int least, current;
  } version;
  bool system;
} Info; /* what follows in qemu's is about whole machines */

QEMU void qemu_plugin_register_vcpu_tb_trans_cb(Id, void (*)(Id, struct qemu_plugin_tb *));
QEMU void qemu_plugin_register_vcpu_syscall_cb(Id, void (*)(Id, unsigned, int64_t, uint64_t, uint64_t, uint64_t,
                                                            uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
QEMU void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum Operation, void *, uint64_t);
QEMU size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
QEMU struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
QEMU const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
QEMU size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
QEMU uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

enum Class { SIMD, MEMORY, BRANCH, OTHER, CLASSES };

/* --- the classes of instruction words */

EXPORT enum Class class_a64(uint32_t w) {
  if ((w & 0x0A000000) == 0x08000000) return MEMORY;
  if ((w & 0x0E000000) == 0x0E000000) return SIMD;
  bool direct = (w & 0x7C000000) == 0x14000000;   /* B, BL */
  bool compare = (w & 0x7C000000) == 0x34000000;  /* CBZ, CBNZ, TBZ, TBNZ */
  bool condition = (w & 0xFE000000) == 0x54000000; /* B.cond */
  bool to_register = (w & 0xFE000000) == 0xD6000000; /* BR, BLR, RET */
  return direct || compare || condition || to_register ? BRANCH : OTHER;
}

/* The space of coprocessors, which A32 and T32 share; VFP and Advanced SIMD are number 10 and 11. */
static enum Class class_coprocessor(uint32_t w) {
  bool vector = (w & 0x0E00) == 0x0A00;
  bool two_registers = (w & 0x0FE00000) == 0x0C400000;
  if ((w & 0x0E000000) == 0x0C000000 && !two_registers) return MEMORY;
  return vector ? SIMD : OTHER;
}

EXPORT enum Class class_a32(uint32_t w) {
  bool always = w >> 28 == 15; /* these have no condition */
  switch (w >> 25 & 7) {
  case 0:
    if ((w & 0x90) == 0x90 && !always) {
      bool multiply = (w & 0x01000060) == 0;
      return multiply ? OTHER : MEMORY;
    }
    if ((w & 0x0FFFFFC0) == 0x012FFF00 && w & 0x30) return BRANCH; /* BX, BXJ, BLX */
    /* fall through */
  case 1:
    if (always) return (w & 0x0E000000) == 0x02000000 ? SIMD : OTHER;
    bool compares = (w & 0x01800000) == 0x01000000; /* or is a system instruction or MOVW; the rest may write pc */
    return (w & 0xF000) == 0xF000 && !compares ? BRANCH : OTHER;
  case 2:
    /* 1111 0101 0111: CLREX and barriers */
    return always && (w & 0x0FF00000) == 0x05700000 ? OTHER : MEMORY;
  case 3:
    return w & 0x10 ? OTHER : MEMORY;
  case 4:
    return MEMORY;
  case 5:
    return BRANCH;
  case 6:
    return class_coprocessor(w);
  default:
    return w & 0x01000000 ? OTHER : class_coprocessor(w); /* the first are SVC */
  }
}

/* A halfword by itself, or two of them, the first one in the upper half of `w`. */
EXPORT enum Class class_t32(uint32_t w, bool wide) {
  if (!wide) {
    if ((w & 0xFF00) == 0x4700) return BRANCH; /* BX, BLX */
    if ((w & 0xFD87) == 0x4487) return BRANCH; /* ADD, MOV to pc */
    if (w < 0x4800) return OTHER;
    if (w < 0xA000) return MEMORY;
    if ((w & 0xF500) == 0xB100) return BRANCH; /* CBZ, CBNZ */
    if ((w & 0xF600) == 0xB400) return MEMORY; /* PUSH, POP */
    if (w < 0xC000) return OTHER;
    if (w < 0xD000) return MEMORY;
    return (w & 0xFE00) == 0xDE00 ? OTHER : BRANCH; /* UDF, SVC */
  }
  if ((w & 0xEF000000) == 0xEF000000) return SIMD;
  if (w & 0x04000000 && (w & 0xF8000000) != 0xF0000000) return class_coprocessor(w);
  switch (w >> 27 & 3) {
  case 1:
    return w & 0x02000000 ? OTHER : MEMORY;
  case 2:
    if ((w & 0x8000) == 0) return OTHER;
    bool system = (w & 0x5000) == 0 && (w & 0x03800000) == 0x03800000;
    return system ? OTHER : BRANCH;
  default:
    return w & 0x02000000 ? OTHER : MEMORY;
  }
}

/* --- blocks */

static FILE *out;
static bool a64;
static uint64_t counts[CLASSES], before[CLASSES];

/* Whether a block is T32, which qemu does not say. A halfword, or an address between two words, is. A word whose lower
   half would not begin two halfwords is not. What is left is as the last block of its page that could be told. */
static bool is_t32(const struct qemu_plugin_tb *block, size_t length) {
  static bool pages[1 << 20];
  bool *page = &pages[qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0)) >> 12 & 0xFFFFF];
  for (size_t i = 0; i < length; i++) {
    struct qemu_plugin_insn *one = qemu_plugin_tb_get_insn(block, i);
    uint16_t lower;
    memcpy(&lower, qemu_plugin_insn_data(one), sizeof lower);
    if (qemu_plugin_insn_size(one) == 2 || qemu_plugin_insn_vaddr(one) & 2) return *page = true;
    if (lower < 0xE800) return *page = false;
  }
  return *page;
}

static enum Class class_of(const struct qemu_plugin_insn *one, bool t32) {
  uint16_t halves[2] = {0, 0};
  size_t size = qemu_plugin_insn_size(one);
  memcpy(halves, qemu_plugin_insn_data(one), size < 4 ? size : 4);
  if (t32) return size == 2 ? class_t32(halves[0], false) : class_t32((uint32_t)halves[0] << 16 | halves[1], true);
  uint32_t word = (uint32_t)halves[1] << 16 | halves[0];
  return a64 ? class_a64(word) : class_a32(word);
}

static void translated(Id id, struct qemu_plugin_tb *block) {
  uint64_t found[CLASSES] = {0};
  size_t length = qemu_plugin_tb_n_insns(block);
  bool t32 = !a64 && is_t32(block, length);
  for (size_t i = 0; i < length; i++) found[class_of(qemu_plugin_tb_get_insn(block, i), t32)]++;
  for (int i = 0; i < CLASSES; i++)
    if (found[i]) qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &counts[i], found[i]);
}

static void called(Id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f, uint64_t g, uint64_t h) {
  if (number != (a64 ? 155 : 132)) return; /* getpgid */
  if (a == START) memcpy(before, counts, sizeof before);
  if (a != STOP) return;
  for (int i = 0; i < CLASSES; i++)
    fprintf(out, "%" PRIu64 "%c", counts[i] - before[i], i == CLASSES - 1 ? '\n' : ' ');
  fflush(out);
}

EXPORT int qemu_plugin_install(Id id, const Info *info, int count, char **arguments) {
  a64 = strcmp(info->target, "aarch64") == 0;
  if (!a64 && strcmp(info->target, "arm")) return -1;
  if (count != 1 || strncmp(arguments[0], "out=", 4)) return -1;
  out = fopen(arguments[0] + 4, "w");
  if (!out) return -1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}

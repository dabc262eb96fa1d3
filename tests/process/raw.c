/* System calls made by hand in a static program: `raw WAY PATH` opens PATH so that its contents are lost. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOSE (O_WRONLY | O_TRUNC)

extern char **environ;

static int told(const char *way, long result)
{
    if (result >= 0) {
        write((int)result, "x", 1);
        printf("%s: opened\n", way);
        return 0;
    }
    printf("%s: %s\n", way, strerror(errno));
    return 1;
}

static long by_openat2(const char *path)
{
    struct open_how how = {.flags = LOSE};
    return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

/* The folder that the path starts from is its root, for the leading slash too. */
static long by_openat2_in_root(const char *path)
{
    struct open_how how = {.flags = LOSE, .resolve = RESOLVE_IN_ROOT};
    int here = open(".", O_PATH | O_DIRECTORY);
    return syscall(SYS_openat2, here, path, &how, sizeof how);
}

#ifdef __x86_64__
/* A 32-bit call from a 64-bit program: the addresses of a static, not relocated program have 32 bits. */
static long by_int80(const char *path)
{
    static char low[4096];
    long result;
    strncpy(low, path, sizeof low - 1);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(5L), "b"(low), "c"((long)LOSE), "d"(0L) : "r8", "r9", "r10", "r11", "memory");
    if ((int)result >= 0)
        return result;
    errno = -(int)result;
    return -1;
}

static long by_x32(const char *path)
{
    return syscall(0x40000000 | SYS_openat, AT_FDCWD, path, LOSE);
}
#endif

static long by_io_uring(const char *path)
{
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0)
        return -1;
    size_t size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t answers = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    char *sq = mmap(0, size > answers ? size : answers, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *calls = mmap(0, params.sq_entries * sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    if (sq == MAP_FAILED || calls == MAP_FAILED)
        return -1;
    char *cq = params.features & IORING_FEAT_SINGLE_MMAP ? sq : mmap(0, answers, PROT_READ, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    memset(calls, 0, sizeof *calls);
    calls->opcode = IORING_OP_OPENAT;
    calls->fd = AT_FDCWD;
    calls->addr = (unsigned long)path;
    calls->open_flags = LOSE;
    *(unsigned *)(sq + params.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0)
        return -1;
    int result = ((struct io_uring_cqe *)(cq + params.cq_off.cqes))->res;
    errno = result < 0 ? -result : 0;
    return result < 0 ? -1 : result;
}

/* The program again, from a file without a name. */
static long again_from_memory(const char *path)
{
    int self = open("/proc/self/exe", O_RDONLY), copy = memfd_create("raw", 0);
    while (sendfile(copy, self, 0, 1 << 20) > 0)
        ;
    syscall(SYS_execveat, copy, "", (char *[]){"raw", "creat", (char *)path, 0}, environ, AT_EMPTY_PATH);
    return -1;
}

static long again_by_descriptor(const char *path)
{
    int self = open("/proc/self/exe", O_RDONLY);
    syscall(SYS_execveat, self, "", (char *[]){"raw", "creat", (char *)path, 0}, environ, AT_EMPTY_PATH);
    return -1;
}

static long by_handle(const char *path)
{
    struct { struct file_handle head; char rest[128]; } handle = {.head.handle_bytes = 128};
    int mount, root = open(".", O_RDONLY);
    if (name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0) < 0)
        return -1;
    return syscall(SYS_open_by_handle_at, root, &handle, LOSE);
}

static long unreadable(const char *path)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return open(path, LOSE);
}

int main(int argc, char **argv)
{
    struct { const char *name; long (*open)(const char *); } ways[] = {
        {"openat2", by_openat2}, {"openat2 in root", by_openat2_in_root}, {"io_uring", by_io_uring}, {"memfd", again_from_memory},
        {"fexecve", again_by_descriptor}, {"handle", by_handle}, {"unreadable", unreadable},
#ifdef __x86_64__
        {"int80", by_int80}, {"x32", by_x32},
#endif
    };
    if (argc != 3)
        return 2;
    if (!strcmp(argv[1], "creat"))
        return told("creat", syscall(SYS_openat, AT_FDCWD, argv[2], LOSE | O_CREAT, 0600));
#ifdef SYS_creat
    if (!strcmp(argv[1], "old creat"))
        return told("creat", syscall(SYS_creat, argv[2], 0600));
#endif
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(argv[1], ways[i].name))
            return told(argv[1], ways[i].open(argv[2]));
    return 2;
}

/* Faults at the calls that change a disk, for tests: LD_PRELOAD this library, then

     chaos_arm(folder, mode, number, error, log)

   counts the calls that change something under `folder`. MODE_EXIT ends the process before
   the number-th of them (a write: before it, or after half of it when `error` is 1);
   MODE_FAIL lets that one, and all that follow when `number` is negative, fail with `error`;
   MODE_RECORD writes each call with its data to the descriptor `log`.

   A record is a line `NAME OFFSET LENGTH`, two lines of paths, then LENGTH bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MODE_OFF, MODE_EXIT, MODE_FAIL, MODE_RECORD };

static char root[PATH_MAX];
static int mode = MODE_OFF, fault = 0, record = -1;
static long number = 0, calls = 0;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void chaos_arm(const char *folder, int new_mode, long new_number, int error, int log)
{
    snprintf(root, sizeof root, "%s", folder);
    mode = new_mode, number = new_number, fault = error, record = log, calls = 0;
}

/* The absolute path of `name` at `directory`; of the descriptor itself where name is NULL. */
static void find(int directory, const char *name, char *path)
{
    char link[64];
    path[0] = 0;
    if (name && name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return;
    }
    if (directory == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    if (name && length > 0)
        snprintf(path + length, PATH_MAX - length, "/%s", name);
}

static int inside(const char *path)
{
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static void put(const void *data, size_t length)
{
    while (length) {
        ssize_t done = REAL(write)(record, data, length);
        if (done <= 0)
            _exit(99);
        data = (const char *)data + done, length -= done;
    }
}

static void note(const char *what, const char *path, const char *other, long offset,
                 const void *data, size_t length)
{
    char head[2 * PATH_MAX + 128];
    int size = snprintf(head, sizeof head, "%s %ld %zu\n%s\n%s\n", what, offset, length, path,
                        other ? other : "");
    put(head, size);
    put(data, length);
}

/* Before a call: nonzero if it must fail. Takes the lock, which `after` gives back. */
static int before(const char *path, const char *other)
{
    pthread_mutex_lock(&lock);
    if (mode == MODE_OFF || !(inside(path) || (other && inside(other))))
        return 0;
    ++calls;
    if (mode == MODE_EXIT && calls == number && !fault)
        _exit(137);
    if (mode == MODE_FAIL && (number < 0 ? calls >= -number : calls == number)) {
        errno = fault;
        return 1;
    }
    return 0;
}

static void after(int good, const char *what, const char *path, const char *other, long offset,
                  const void *data, size_t length)
{
    int saved = errno;
    if (mode == MODE_RECORD && (inside(path) || (other && inside(other))))
        note(good ? what : "failed", path, other, offset, data, length);
    pthread_mutex_unlock(&lock);
    errno = saved;
}

/* Ends the process after half a write, where that is asked for. */
static void tear(int descriptor, const void *data, size_t length, const char *path)
{
    if (mode == MODE_EXIT && fault && calls == number && inside(path)) {
        (void)!REAL(write)(descriptor, data, length / 2);
        _exit(137);
    }
}

static long place(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    return lseek(descriptor, 0, flags >= 0 && (flags & O_APPEND) ? SEEK_END : SEEK_CUR);
}

#define CALL(what, path, other, real)                                                             \
    long result = before(path, other) ? -1 : (real);                                              \
    after(result >= 0, what, path, other, 0, NULL, 0);                                            \
    return result

static int open_at(int directory, const char *name, int flags, mode_t permission)
{
    char path[PATH_MAX];
    find(directory, name, path);
    int changes = flags & (O_CREAT | O_TRUNC);
    if (!changes || mode == MODE_OFF || !inside(path))
        return REAL(openat)(directory, name, flags, permission);
    int result = before(path, NULL) ? -1 : REAL(openat)(directory, name, flags, permission);
    after(result >= 0, flags & O_TRUNC ? "create" : "open", path, NULL, 0, NULL, 0);
    return result;
}

#define PERMISSION(flags)                                                                         \
    mode_t permission = 0;                                                                        \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                      \
        va_list rest;                                                                             \
        va_start(rest, flags);                                                                    \
        permission = va_arg(rest, mode_t);                                                        \
        va_end(rest);                                                                             \
    }

int open(const char *name, int flags, ...) { PERMISSION(flags) return open_at(AT_FDCWD, name, flags, permission); }
int open64(const char *name, int flags, ...) { PERMISSION(flags) return open_at(AT_FDCWD, name, flags, permission); }
int openat(int at, const char *name, int flags, ...) { PERMISSION(flags) return open_at(at, name, flags, permission); }
int openat64(int at, const char *name, int flags, ...) { PERMISSION(flags) return open_at(at, name, flags, permission); }

ssize_t write(int descriptor, const void *data, size_t length)
{
    if (mode == MODE_OFF)
        return REAL(write)(descriptor, data, length);
    char path[PATH_MAX];
    find(descriptor, NULL, path);
    if (!inside(path))
        return REAL(write)(descriptor, data, length);
    int fails = before(path, NULL);
    tear(descriptor, data, length, path);
    long offset = place(descriptor);
    ssize_t done = fails ? -1 : REAL(write)(descriptor, data, length);
    after(done >= 0, "write", path, NULL, offset, data, done > 0 ? done : 0);
    return done;
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset)
{
    if (mode == MODE_OFF)
        return REAL(pwrite64)(descriptor, data, length, offset);
    char path[PATH_MAX];
    find(descriptor, NULL, path);
    ssize_t done = before(path, NULL) ? -1 : REAL(pwrite64)(descriptor, data, length, offset);
    after(done >= 0, "write", path, NULL, offset, data, done > 0 ? done : 0);
    return done;
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset)
{
    return pwrite64(descriptor, data, length, offset);
}

/* What copies inside the kernel is refused, so that the caller falls back to `write`. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t length)
{
    if (mode == MODE_OFF)
        return REAL(sendfile64)(out, in, offset, length);
    errno = ENOTSOCK;
    return -1;
}

ssize_t sendfile(int out, int in, off_t *offset, size_t length)
{
    return sendfile64(out, in, offset, length);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    if (mode == MODE_OFF)
        return REAL(writev)(descriptor, parts, count);
    ssize_t total = 0;
    for (int i = 0; i < count; ++i) {
        ssize_t done = write(descriptor, parts[i].iov_base, parts[i].iov_len);
        if (done < 0)
            return total ? total : -1;
        total += done;
    }
    return total;
}

int fsync(int descriptor)
{
    char path[PATH_MAX];
    find(descriptor, NULL, path);
    CALL("sync", path, NULL, REAL(fsync)(descriptor));
}

int fdatasync(int descriptor)
{
    char path[PATH_MAX];
    find(descriptor, NULL, path);
    CALL("sync", path, NULL, REAL(fdatasync)(descriptor));
}

int ftruncate64(int descriptor, off64_t length)
{
    char path[PATH_MAX];
    find(descriptor, NULL, path);
    int result = before(path, NULL) ? -1 : REAL(ftruncate64)(descriptor, length);
    after(result >= 0, "cut", path, NULL, length, NULL, 0);
    return result;
}

int ftruncate(int descriptor, off_t length) { return ftruncate64(descriptor, length); }

int truncate64(const char *name, off64_t length)
{
    char path[PATH_MAX];
    find(AT_FDCWD, name, path);
    int result = before(path, NULL) ? -1 : REAL(truncate64)(name, length);
    after(result >= 0, "cut", path, NULL, length, NULL, 0);
    return result;
}

int truncate(const char *name, off_t length) { return truncate64(name, length); }

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    char path[PATH_MAX], other[PATH_MAX];
    find(from_at, from, path);
    find(to_at, to, other);
    CALL(flags & 2 ? "exchange" : "rename", path, other,
         REAL(renameat2)(from_at, from, to_at, to, flags));
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return renameat2(a, from, b, to, 0); }

int unlinkat(int at, const char *name, int flags)
{
    char path[PATH_MAX];
    find(at, name, path);
    CALL(flags & AT_REMOVEDIR ? "rmdir" : "unlink", path, NULL, REAL(unlinkat)(at, name, flags));
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int at, const char *name, mode_t permission)
{
    char path[PATH_MAX];
    find(at, name, path);
    CALL("mkdir", path, NULL, REAL(mkdirat)(at, name, permission));
}

int mkdir(const char *name, mode_t permission) { return mkdirat(AT_FDCWD, name, permission); }

/* Records what processes do to the files of one store, in the order in which they do it.
 *
 * Preloaded into a process, it appends to the file that RECORD names, for each write, truncation
 * and fsync of the store at RECORDED (its database, WAL and journal), and for each of these files
 * that comes or goes: a header as below, and what was written. A write is noted once it was made; an
 * fsync before it begins and once it has returned. Appending is atomic, so that all processes, and
 * the clients that note what was acknowledged, share one order.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATED = 'c', REMOVED = 'r', WRITTEN = 'w', TRUNCATED = 't', SYNCING = 'b', SYNCED = 's' };
enum { DATABASE = 'd', WAL = 'w', JOURNAL = 'j', FOLDER = 'f' };

struct header {
    uint8_t operation, file;
    uint8_t unused[2];
    uint32_t process;
    int64_t offset, length;
};

static int record = -1;
static char store[PATH_MAX], folder[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("RECORD"), *path = getenv("RECORDED");
    if (log == NULL || path == NULL || strlen(path) >= sizeof store) return;
    strcpy(store, path);
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) *slash = '\0';
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    record = real(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static int file_at(const char *path) {
    size_t length = strlen(store);
    if (record < 0 || length == 0) return 0;
    if (strcmp(path, folder) == 0) return FOLDER;
    if (strncmp(path, store, length) != 0) return 0;
    if (path[length] == '\0') return DATABASE;
    if (strcmp(path + length, "-wal") == 0) return WAL;
    if (strcmp(path + length, "-journal") == 0) return JOURNAL;
    return 0;
}

static int file_of(int descriptor) {
    char link[64], path[PATH_MAX];
    if (record < 0 || descriptor == record) return 0;
    char *end = link + sizeof link;
    *--end = '\0';
    do *--end = '0' + descriptor % 10; while ((descriptor /= 10) > 0);
    const char *prefix = "/proc/self/fd/";
    end -= strlen(prefix);
    memcpy(end, prefix, strlen(prefix));
    ssize_t length = readlink(end, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = '\0';
    return file_at(path);
}

static void note(int operation, int file, int64_t offset, const void *data, int64_t length) {
    struct header header = {operation, file, {0, 0}, getpid(), offset, length};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)data, data ? length : 0}};
    ssize_t size = sizeof header + (data ? length : 0);
    if (writev(record, parts, 2) != size) abort(); /* a record with a hole would prove nothing */
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name)

#define WRITING(name, offset_type) \
    ssize_t name(int descriptor, const void *data, size_t length, offset_type offset) { \
        REAL(name); \
        int file = file_of(descriptor); \
        ssize_t written = real(descriptor, data, length, offset); \
        if (file && written > 0) note(WRITTEN, file, offset, data, written); \
        return written; \
    }
WRITING(pwrite, off_t)
WRITING(pwrite64, off64_t)

ssize_t write(int descriptor, const void *data, size_t length) {
    REAL(write);
    int file = file_of(descriptor);
    off_t offset = file ? lseek(descriptor, 0, SEEK_CUR) : 0;
    ssize_t written = real(descriptor, data, length);
    if (file && written > 0) note(WRITTEN, file, offset, data, written);
    return written;
}

#define TRUNCATING(name, offset_type) \
    int name(int descriptor, offset_type length) { \
        REAL(name); \
        int file = file_of(descriptor); \
        int failed = real(descriptor, length); \
        if (file && !failed) note(TRUNCATED, file, length, NULL, 0); \
        return failed; \
    }
TRUNCATING(ftruncate, off_t)
TRUNCATING(ftruncate64, off64_t)

#define SYNCHRONISING(name) \
    int name(int descriptor) { \
        REAL(name); \
        int file = file_of(descriptor); \
        if (file) note(SYNCING, file, 0, NULL, 0); \
        int failed = real(descriptor); \
        if (file && !failed) note(SYNCED, file, 0, NULL, 0); \
        return failed; \
    }
SYNCHRONISING(fsync)
SYNCHRONISING(fdatasync)

#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        int file = flags & O_CREAT ? file_at(path) : 0; \
        int is_new = file && access(path, F_OK) != 0; \
        int descriptor = real(path, flags, mode); \
        if (is_new && descriptor >= 0) note(CREATED, file, 0, NULL, 0); \
        return descriptor; \
    }
OPENING(open)
OPENING(open64)

int unlink(const char *path) {
    REAL(unlink);
    int file = file_at(path);
    int failed = real(path);
    if (file && !failed) note(REMOVED, file, 0, NULL, 0);
    return failed;
}

/* Notes down what a process does to the files of one folder, so that power.py can say what a loss of power leaves.
 *
 * Preloaded with LD_PRELOAD. POWER_FOLDER names the folder, POWER_LOG a file outside it. Every call is passed on
 * unchanged; what it did is in the log before it returns, so nothing that follows from it can be seen earlier. Calls
 * on the folder take turns, over threads and processes: a write is never noted before a sync that did not cover it.
 *
 * Which file a descriptor stands for is asked of the system each time, so dup, fork and exec need no bookkeeping and
 * close none at all: closing a file a second time would drop the locks that SQLite holds on it.
 *
 * Not seen: mmap, stdio, sendfile, copy_file_range, io_uring, link, and sync as a whole. Files named *-shm are left
 * out: SQLite maps them and builds them anew.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "offsets are noted with 64 bits");

enum { OPEN = 'O', FOUND = 'F', WRITE = 'W', SIZE = 'T', SYNC = 'S', UNLINK = 'U', RENAME = 'R' };
enum { HIGH_DESCRIPTOR = 500, FILES_REMEMBERED = 4096 };

struct __attribute__((packed)) head {
    char mark[4];
    uint8_t operation;
    uint16_t path_length;
    int64_t offset;
    uint64_t length;
};

struct place {
    ino_t inode;
    char path[PATH_MAX]; /* below the folder */
};

static char folder[PATH_MAX];
static size_t folder_length; /* 0: nothing is noted */
static int log_file = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static ino_t met[FILES_REMEMBERED];
static int met_count;

#define NEXT(name) \
    ({ \
        static __typeof__(&name) next; \
        if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
        next; \
    })

static void die(const char *why) {
    fprintf(stderr, "power: %s: %s\n", why, strerror(errno));
    abort();
}

static void across_processes(short kind) {
    struct flock lock = {.l_type = kind, .l_whence = SEEK_SET};
    while (fcntl(log_file, F_SETLKW, &lock))
        if (errno != EINTR) die("cannot lock the log");
}

static void hold(void) { pthread_mutex_lock(&turn); }
static void let_go(void) { pthread_mutex_unlock(&turn); }

static void begin(void) {
    hold();
    across_processes(F_WRLCK);
}

static void end(int error) {
    across_processes(F_UNLCK);
    let_go();
    errno = error;
}

__attribute__((constructor)) static void start(void) {
    const char *where = getenv("POWER_FOLDER"), *log = getenv("POWER_LOG");
    if (!where || !log) return;
    if (!realpath(where, folder)) die(where);
    int low = NEXT(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (low < 0) die(log);
    log_file = fcntl(low, F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR); /* out of the way of whoever closes the low ones */
    if (log_file < 0) die("no descriptor for the log");
    NEXT(close)(low);
    pthread_atfork(hold, let_go, let_go);
    folder_length = strlen(folder);
}

static int ends_with(const char *text, const char *tail) {
    size_t length = strlen(text), tail_length = strlen(tail);
    return length >= tail_length && !strcmp(text + length - tail_length, tail);
}

/* Cut the folder off an absolute path; false if it does not lie below, or is not noted. */
static int below(const char *path, char *rest) {
    if (strncmp(path, folder, folder_length) || path[folder_length] != '/' || ends_with(path, "-shm")) return 0;
    strcpy(rest, path + folder_length + 1);
    return 1;
}

/* The place of an open file; false if it is none of the folder's, or no longer: what it holds is lost anyway. */
static int place_of(int file, struct place *place) {
    if (!folder_length) return 0;
    int error = errno, ours = 0;
    char link[64], path[PATH_MAX];
    struct stat state;
    if (!fstat(file, &state) && S_ISREG(state.st_mode) && state.st_nlink) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = 0;
        ours = below(path, place->path);
        place->inode = state.st_ino;
    }
    errno = error;
    return ours;
}

/* The place of a name, whether or not it exists; false if it is none of the folder's. */
static int place_of_name(int start, const char *name, char *rest) {
    if (!folder_length || !name) return 0;
    int error = errno, ours = 0;
    char joined[2 * PATH_MAX], real[PATH_MAX], whole[2 * PATH_MAX];
    char link[64], from[PATH_MAX] = ".";
    if (start != AT_FDCWD && name[0] != '/') {
        snprintf(link, sizeof link, "/proc/self/fd/%d", start);
        ssize_t length = readlink(link, from, sizeof from - 1);
        from[length < 0 ? 0 : length] = 0;
    }
    snprintf(joined, sizeof joined, "%s%s%s", name[0] == '/' ? "" : from, name[0] == '/' ? "" : "/", name);
    char *slash = strrchr(joined, '/');
    char last[PATH_MAX];
    snprintf(last, sizeof last, "%s", slash + 1);
    slash[slash == joined] = 0;
    if (realpath(joined, real)) {
        int length = snprintf(whole, sizeof whole, "%s/%s", real, last);
        ours = length < PATH_MAX && below(whole, rest);
    }
    errno = error;
    return ours;
}

static void note(int operation, const char *path, off_t offset, const struct iovec *data, size_t length) {
    struct head head = {{'P', 'W', 'R', '<'}, operation, strlen(path), offset, length};
    size_t total = sizeof head + head.path_length + length + 4;
    char *record = malloc(total), *at = record;
    if (!record) die("no memory");
    at = mempcpy(at, &head, sizeof head);
    at = mempcpy(at, path, head.path_length);
    while (length) {
        size_t part = data->iov_len < length ? data->iov_len : length;
        at = mempcpy(at, data->iov_base, part);
        length -= part;
        data++;
    }
    memcpy(at, ">PWR", 4);
    if (NEXT(write)(log_file, record, total) != (ssize_t)total) die("cannot write the log");
    free(record);
}

static off_t size_of(int file) {
    struct stat state;
    if (fstat(file, &state)) die("cannot ask for a file's size");
    return state.st_size;
}

static int first_meeting(ino_t inode) {
    for (int i = 0; i < met_count; i++)
        if (met[i] == inode) return 0;
    if (met_count < FILES_REMEMBERED) met[met_count++] = inode;
    return 1;
}

/* What a file holds as this process first opens it: from before the log, or from a process killed before its note. */
static void note_found(int file, int flags, const struct place *place) {
    off_t size = size_of(file), done = 0;
    char *content = malloc(size + 1), link[64];
    if (!content) die("no memory");
    int reader = file;
    if ((flags & O_ACCMODE) == O_WRONLY && size) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        reader = NEXT(open)(link, O_RDONLY | O_CLOEXEC);
    }
    while (done < size) {
        ssize_t got = pread(reader, content + done, size - done, done);
        if (got <= 0) die("cannot read what a file holds");
        done += got;
    }
    if (reader != file) NEXT(close)(reader);
    struct iovec all = {content, size};
    note(FOUND, place->path, 0, &all, size);
    free(content);
}

static void opened(int file, int flags) {
    struct place place;
    if (!place_of(file, &place)) return;
    int emptied = flags & O_TRUNC && (flags & O_ACCMODE) != O_RDONLY;
    if (first_meeting(place.inode) && !emptied)
        note_found(file, flags, &place);
    else
        note(OPEN, place.path, 0, NULL, 0);
    if (emptied) note(SIZE, place.path, 0, NULL, 0);
}

static void wrote(int file, const struct place *place, off_t offset, const struct iovec *data, ssize_t length) {
    if (length <= 0) return;
    if (fcntl(file, F_GETFL) & O_APPEND) offset = size_of(file) - length; /* whatever was asked for */
    if (offset < 0) offset = lseek(file, 0, SEEK_CUR) - length;
    note(WRITE, place->path, offset, data, length);
}

#define OPENING(start, name, flags, call) \
    char rest[PATH_MAX]; \
    if (!place_of_name(start, name, rest)) return call; \
    begin(); \
    int file = call; \
    int error = errno; \
    if (file >= 0) opened(file, flags); \
    end(error); \
    return file

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

/* On an open file: make the call, and note it under the name that the file has by then, if it succeeded. */
#define ON_FILE(type, file, call, noting) \
    struct place place; \
    if (!place_of(file, &place)) return call; \
    begin(); \
    int ours = place_of(file, &place); \
    type result = call; \
    int error = errno; \
    if (ours) { \
        noting; \
    } \
    end(error); \
    return result

int open(const char *name, int flags, ...) {
    MODE(flags)
    OPENING(AT_FDCWD, name, flags, NEXT(open)(name, flags, mode));
}
int open64(const char *name, int flags, ...) {
    MODE(flags)
    OPENING(AT_FDCWD, name, flags, NEXT(open64)(name, flags, mode));
}
int openat(int start, const char *name, int flags, ...) {
    MODE(flags)
    OPENING(start, name, flags, NEXT(openat)(start, name, flags, mode));
}
int openat64(int start, const char *name, int flags, ...) {
    MODE(flags)
    OPENING(start, name, flags, NEXT(openat64)(start, name, flags, mode));
}
int creat(const char *name, mode_t mode) {
    OPENING(AT_FDCWD, name, O_WRONLY | O_TRUNC, NEXT(creat)(name, mode));
}
int creat64(const char *name, mode_t mode) {
    OPENING(AT_FDCWD, name, O_WRONLY | O_TRUNC, NEXT(creat64)(name, mode));
}

ssize_t write(int file, const void *data, size_t size) {
    struct iovec all = {(void *)data, size};
    ON_FILE(ssize_t, file, NEXT(write)(file, data, size), wrote(file, &place, -1, &all, result));
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    struct iovec all = {(void *)data, size};
    ON_FILE(ssize_t, file, NEXT(pwrite)(file, data, size, offset), wrote(file, &place, offset, &all, result));
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    struct iovec all = {(void *)data, size};
    ON_FILE(ssize_t, file, NEXT(pwrite64)(file, data, size, offset), wrote(file, &place, offset, &all, result));
}
ssize_t writev(int file, const struct iovec *data, int parts) {
    ON_FILE(ssize_t, file, NEXT(writev)(file, data, parts), wrote(file, &place, -1, data, result));
}
ssize_t pwritev(int file, const struct iovec *data, int parts, off_t offset) {
    ON_FILE(ssize_t, file, NEXT(pwritev)(file, data, parts, offset), wrote(file, &place, offset, data, result));
}
ssize_t pwritev64(int file, const struct iovec *data, int parts, off64_t offset) {
    ON_FILE(ssize_t, file, NEXT(pwritev64)(file, data, parts, offset), wrote(file, &place, offset, data, result));
}
ssize_t pwritev2(int file, const struct iovec *data, int parts, off_t offset, int flags) {
    ON_FILE(ssize_t, file, NEXT(pwritev2)(file, data, parts, offset, flags), wrote(file, &place, offset, data, result));
}
ssize_t pwritev64v2(int file, const struct iovec *data, int parts, off64_t offset, int flags) {
    ON_FILE(ssize_t, file, NEXT(pwritev64v2)(file, data, parts, offset, flags),
            wrote(file, &place, offset, data, result));
}

#define NOTE_SIZE \
    if (!result) note(SIZE, place.path, size_of(file), NULL, 0)
#define NOTE_SYNC \
    if (!result) note(SYNC, place.path, 0, NULL, 0)

int ftruncate(int file, off_t size) { ON_FILE(int, file, NEXT(ftruncate)(file, size), NOTE_SIZE); }
int ftruncate64(int file, off64_t size) { ON_FILE(int, file, NEXT(ftruncate64)(file, size), NOTE_SIZE); }
int posix_fallocate(int file, off_t from, off_t size) {
    ON_FILE(int, file, NEXT(posix_fallocate)(file, from, size), NOTE_SIZE);
}
int posix_fallocate64(int file, off64_t from, off64_t size) {
    ON_FILE(int, file, NEXT(posix_fallocate64)(file, from, size), NOTE_SIZE);
}

#define ONLY_RESERVING(mode) \
    if (!result && mode & ~FALLOC_FL_KEEP_SIZE) die("a fallocate that changes bytes cannot be noted")

int fallocate(int file, int mode, off_t from, off_t size) {
    ON_FILE(int, file, NEXT(fallocate)(file, mode, from, size), ONLY_RESERVING(mode); NOTE_SIZE);
}
int fallocate64(int file, int mode, off64_t from, off64_t size) {
    ON_FILE(int, file, NEXT(fallocate64)(file, mode, from, size), ONLY_RESERVING(mode); NOTE_SIZE);
}
int fsync(int file) { ON_FILE(int, file, NEXT(fsync)(file), NOTE_SYNC); }
int fdatasync(int file) { ON_FILE(int, file, NEXT(fdatasync)(file), NOTE_SYNC); }

static int resize(const char *name, off_t size, int (*next)(const char *, off_t)) {
    char rest[PATH_MAX];
    if (!place_of_name(AT_FDCWD, name, rest)) return next(name, size);
    begin();
    int result = next(name, size), error = errno;
    if (!result) note(SIZE, rest, size, NULL, 0);
    end(error);
    return result;
}
int truncate(const char *name, off_t size) { return resize(name, size, NEXT(truncate)); }
int truncate64(const char *name, off64_t size) { return resize(name, size, NEXT(truncate64)); }

#define REMOVING(start, name, call) \
    char rest[PATH_MAX]; \
    if (!place_of_name(start, name, rest)) return call; \
    begin(); \
    int result = call, error = errno; \
    if (!result) note(UNLINK, rest, 0, NULL, 0); \
    end(error); \
    return result

int unlink(const char *name) { REMOVING(AT_FDCWD, name, NEXT(unlink)(name)); }
int unlinkat(int start, const char *name, int flags) { REMOVING(start, name, NEXT(unlinkat)(start, name, flags)); }
int remove(const char *name) { REMOVING(AT_FDCWD, name, NEXT(remove)(name)); }

/* A name outside the folder is noted as an empty one. */
#define RENAMING(old_start, old, new_start, new, call) \
    char from[PATH_MAX] = "", to[PATH_MAX] = ""; \
    int leaves = place_of_name(old_start, old, from), arrives = place_of_name(new_start, new, to); \
    if (!leaves && !arrives) return call; \
    begin(); \
    int result = call, error = errno; \
    struct iovec target = {to, strlen(to)}; \
    if (!result) note(RENAME, from, 0, &target, target.iov_len); \
    end(error); \
    return result

int rename(const char *old, const char *new) { RENAMING(AT_FDCWD, old, AT_FDCWD, new, NEXT(rename)(old, new)); }
int renameat(int old_start, const char *old, int new_start, const char *new) {
    RENAMING(old_start, old, new_start, new, NEXT(renameat)(old_start, old, new_start, new));
}
int renameat2(int old_start, const char *old, int new_start, const char *new, unsigned flags) {
    RENAMING(old_start, old, new_start, new, NEXT(renameat2)(old_start, old, new_start, new, flags));
}

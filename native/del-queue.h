/* The queue of deletions: what DEL leaves behind when the daemon is away. docs/cni.md describes the folder. */
#ifndef ENID_DEL_QUEUE_H
#define ENID_DEL_QUEUE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "request.h"

#define QUEUE "del-queue"

static _Noreturn void fail_queue(const char *folder, const char *what)
{
    fail(CNI_TRY_AGAIN_LATER,
         "Let root, and nobody else, write to that folder. A DEL that was not queued is tried again by the runtime.",
         "ENID_DELETION_QUEUE: the queue of deletions %s cannot be used: %s", folder, what);
}

/* FNV-1a over container id and interface name: one deletion's files lie together in a listing. */
static uint64_t attachment_hash(void)
{
    static const char *const parts[] = {"CNI_CONTAINERID", "CNI_IFNAME"};
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < 2; i++) {
        const char *part = getenv(parts[i]);

        for (part = part == NULL ? "" : part; *part != '\0'; part++)
            hash = (hash ^ (unsigned char)*part) * 1099511628211u;
        hash = (hash ^ 0xff) * 1099511628211u; /* a byte that separates the parts */
    }
    return hash;
}

static void sync_folder(const char *path, const char *folder)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        fail_queue(folder, strerror(errno));
    close(fd);
}

/* Makes what is missing of the path: the folder of the socket and the queue in it private, those above as usual. */
static void make_folders(const char *folder)
{
    char path[SOCKET_LIMIT + 16];
    char *last = path;

    snprintf(path, sizeof path, "%s", folder);
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(path, strcmp(at + 1, QUEUE) == 0 ? 0700 : 0755) != 0 && errno != EEXIST)
            fail_queue(folder, strerror(errno));
        *at = '/';
        last = at;
    }
    if (mkdir(path, 0700) == 0) {
        *last = '\0';
        sync_folder(last == path ? "/" : path, folder);
    } else if (errno != EEXIST) {
        fail_queue(folder, strerror(errno));
    }
}

static int open_queue(const char *folder)
{
    struct stat facts;
    int fd;

    make_folders(folder);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &facts) != 0)
        fail_queue(folder, strerror(errno));
    if (facts.st_uid != geteuid() || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        fail_queue(folder, "others may write to it");
    return fd;
}

static void write_file(int fd, const char *bytes, size_t length, const char *folder)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            fail_queue(folder, strerror(errno));
        bytes += written;
        length -= (size_t)written;
    }
}

/*
 * Leaves the request for the daemon to replay. The file has its final name only when it is whole and on the disk; the
 * time in the name lets the daemon tell a deletion from a younger lease of the same attachment.
 */
static void queue_deletion(void)
{
    char folder[SOCKET_LIMIT + 16];
    char name[96];
    char temporary[100];
    struct timespec now;
    int folder_fd;
    int fd;

    snprintf(folder, sizeof folder, "%.*s/" QUEUE, (int)(strrchr(socket_path, '/') - socket_path), socket_path);
    folder_fd = open_queue(folder);
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, sizeof name, "%016llx-%lld%09ld-%ld.json", (unsigned long long)attachment_hash(),
             (long long)now.tv_sec, now.tv_nsec, (long)getpid());
    snprintf(temporary, sizeof temporary, ".%s", name);
    fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        fail_queue(folder, strerror(errno));
    write_file(fd, body.bytes, body.length, folder);
    if (fsync(fd) != 0 || close(fd) != 0 || renameat(folder_fd, temporary, folder_fd, name) != 0) {
        int reason = errno;

        unlinkat(folder_fd, temporary, 0);
        fail_queue(folder, strerror(reason));
    }
    if (fsync(folder_fd) != 0)
        fail_queue(folder, strerror(errno));
}

#endif

/* What comes from the caller: environment, standard input, the time limit and the place of the socket. */
#ifndef ENID_REQUEST_H
#define ENID_REQUEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "results.h"

#ifndef ENID_DEFAULT_SOCKET
#define ENID_DEFAULT_SOCKET "/run/enid/enid.sock"
#endif
#define SOCKET_FILE "enid-ipam.socket"

enum {
    INPUT_LIMIT = 1024 * 1024,
    VARIABLE_LIMIT = 32 * 1024,
    BODY_LIMIT = 8 * 1024 * 1024,
    SOCKET_LIMIT = (int)sizeof(((struct sockaddr_un *)NULL)->sun_path),
    SOCKET_FILE_LIMIT = 4096,
    TIMEOUT_DEFAULT_MS = 60 * 1000,
    TIMEOUT_MIN_MS = 10,
    TIMEOUT_MAX_MS = 600 * 1000,
};

static const char *const VARIABLES[] = {
    "CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH", "CNI_NETNS_OVERRIDE",
};
enum { VARIABLE_COUNT = sizeof VARIABLES / sizeof VARIABLES[0] };

/* One byte becomes at most six characters (\u00XX), so whatever passes the limits above fits into the body. */
_Static_assert(6 * (INPUT_LIMIT + VARIABLE_COUNT * VARIABLE_LIMIT) + 1024 <= BODY_LIMIT, "the body may overflow");

static char input[INPUT_LIMIT + 1]; /* the extra byte tells "too much" from "exactly full" */
static size_t input_length;
static char body_bytes[BODY_LIMIT];
static struct text body = {body_bytes, 0, sizeof body_bytes};

static char socket_path[SOCKET_LIMIT];
static int timeout_ms = TIMEOUT_DEFAULT_MS;
static int64_t deadline_ms;

static int64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int remaining_ms(void)
{
    int64_t left = deadline_ms - monotonic_ms();

    return left < 0 ? 0 : (int)left;
}

/* The events that happened on `fd`, 0 when the time is up. */
static short wait_for(int fd, short events)
{
    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = events, .revents = 0};
        int ready = poll(&waiting, 1, remaining_ms());

        if (ready > 0)
            return waiting.revents;
        if (ready == 0)
            return 0;
        if (errno != EINTR)
            return events; /* let the call that follows report what is wrong */
    }
}

static void read_timeout(void)
{
    const char *text = getenv("ENID_TIMEOUT_MS");
    size_t digits;
    long value;

    if (text != NULL && *text != '\0') {
        digits = strspn(text, "0123456789");
        value = digits == 0 || digits > 6 || text[digits] != '\0' ? -1 : strtol(text, NULL, 10);
        if (value < TIMEOUT_MIN_MS || value > TIMEOUT_MAX_MS)
            fail_environment("ENID_TIMEOUT_MS", "must be a whole number of milliseconds from 10 to 600000");
        timeout_ms = (int)value;
    }
    deadline_ms = monotonic_ms() + timeout_ms;
}

static void use_socket(const char *source, const char *path, size_t length)
{
    if (length == 0)
        fail_socket(source, "it is empty");
    if (length >= sizeof socket_path)
        fail_socket(source, "it is longer than 107 bytes");
    if (path[0] != '/')
        fail_socket(source, "it is not absolute");
    memcpy(socket_path, path, length);
    socket_path[length] = '\0';
}

/* The first line of the file enid-ipam.socket beside the binary; false when there is no such file. */
static bool read_socket_file(void)
{
    char path[SOCKET_FILE_LIMIT + sizeof SOCKET_FILE];
    char line[SOCKET_FILE_LIMIT];
    ssize_t length = readlink("/proc/self/exe", path, SOCKET_FILE_LIMIT);
    char *slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    size_t end;
    int fd;

    if (slash == NULL)
        return false;
    memcpy(slash + 1, SOCKET_FILE, sizeof SOCKET_FILE);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return false;
    length = fd < 0 ? -1 : read(fd, line, sizeof line);
    if (length < 0)
        fail_socket("the file " SOCKET_FILE, strerror(errno));
    close(fd);
    for (end = 0; end < (size_t)length && line[end] != '\n'; end++)
        ;
    while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t' || line[end - 1] == '\r'))
        end--;
    use_socket("the file " SOCKET_FILE, line, end);
    return true;
}

static void find_socket(void)
{
    const char *path = getenv("ENID_SOCKET");

    if (path != NULL && *path != '\0')
        use_socket("ENID_SOCKET", path, strlen(path));
    else if (!read_socket_file())
        use_socket("the build", ENID_DEFAULT_SOCKET, strlen(ENID_DEFAULT_SOCKET));
}

static void read_input(void)
{
    for (;;) {
        ssize_t length;

        if (wait_for(STDIN_FILENO, POLLIN) == 0)
            fail_input("was not closed in time");
        length = read(STDIN_FILENO, input + input_length, sizeof input - input_length);
        if (length < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (length < 0)
            fail_input(strerror(errno));
        if (length == 0)
            return;
        input_length += (size_t)length;
        if (input_length > INPUT_LIMIT)
            fail_input("has more than 1048576 bytes");
    }
}

static size_t skip_space(size_t at)
{
    while (at < input_length && strchr(" \t\r\n", input[at]) != NULL && input[at] != '\0')
        at++;
    return at;
}

/* Errors must carry the caller's version. This finds the first "cniVersion": "..." and does not otherwise read JSON. */
static void find_version(void)
{
    static const char key[] = "\"cniVersion\"";
    const char *found = memmem(input, input_length, key, sizeof key - 1);
    size_t start;
    size_t length = 0;

    if (found == NULL)
        return;
    start = skip_space((size_t)(found - input) + sizeof key - 1);
    if (start >= input_length || input[start] != ':')
        return;
    start = skip_space(start + 1);
    if (start >= input_length || input[start] != '"')
        return;
    start++;
    while (start + length < input_length && length < VERSION_LIMIT && input[start + length] != '\0' &&
           strchr("0123456789.", input[start + length]) != NULL)
        length++;
    if (length == 0 || start + length >= input_length || input[start + length] != '"')
        return;
    memcpy(version, input + start, length);
    version[length] = '\0';
}

static void compose_body(void)
{
    bool first = true;

    append_string(&body, "{\"environment\":{");
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        const char *value = getenv(VARIABLES[i]);
        size_t length;

        if (value == NULL)
            continue;
        length = strnlen(value, VARIABLE_LIMIT + 1);
        if (length > VARIABLE_LIMIT)
            fail_environment(VARIABLES[i], "is longer than 32768 bytes");
        append_string(&body, first ? "" : ",");
        append_json(&body, VARIABLES[i], strlen(VARIABLES[i]));
        append_string(&body, ":");
        append_json(&body, value, length);
        first = false;
    }
    append_string(&body, "},\"stdin\":");
    append_json(&body, input, input_length);
    append_string(&body, "}");
}

#endif

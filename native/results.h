/* What the plugin prints: the daemon's answer, or a CNI error object of its own. */
#ifndef ENID_RESULTS_H
#define ENID_RESULTS_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "json.h"

#define NEWEST_VERSION "1.1.0"
#define SUPPORTED_VERSIONS "[\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]"

enum { VERSION_LIMIT = 32, MESSAGE_LIMIT = 1024 };

/* CNI error codes (specification 1.1, section 5). */
enum {
    CNI_BAD_ENVIRONMENT = 4,
    CNI_IO_FAILURE = 5,
    CNI_BAD_CONFIGURATION = 7,
    CNI_TRY_AGAIN_LATER = 11,
    CNI_NOT_AVAILABLE = 50,
};

/* The cniVersion of the answer: that of the request once it is known. */
static char version[VERSION_LIMIT + 1] = NEWEST_VERSION;

static void print(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            _exit(1); /* nobody reads: an exit code is all that is left to say */
        bytes += written;
        length -= (size_t)written;
    }
}

/* Ends the program with a CNI error object. `format` makes the message: "ENID_...: what happened". */
static _Noreturn void fail(int code, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static _Noreturn void fail(int code, const char *remedy, const char *format, ...)
{
    static char json[16 * MESSAGE_LIMIT];
    struct text to = {json, 0, sizeof json};
    char message[MESSAGE_LIMIT];
    char number[16];
    va_list values;

    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    snprintf(number, sizeof number, "%d", code);

    append_string(&to, "{\"cniVersion\":");
    append_json(&to, version, strlen(version));
    append_string(&to, ",\"code\":");
    append_string(&to, number);
    append_string(&to, ",\"msg\":");
    append_json(&to, message, strlen(message));
    append_string(&to, ",\"details\":");
    append_json(&to, remedy, strlen(remedy));
    append_string(&to, "}\n");
    print(to.bytes, to.length);
    _exit(1);
}

static _Noreturn void fail_input(const char *detail)
{
    fail(CNI_IO_FAILURE,
         "The caller must pass at most 1048576 bytes of JSON and close its end of the pipe.",
         "ENID_PLUGIN_INPUT: standard input %s", detail);
}

static _Noreturn void fail_environment(const char *variable, const char *detail)
{
    fail(CNI_BAD_ENVIRONMENT, "The caller of the plugin must set it as the CNI specification says.",
         "ENID_CNI_ENVIRONMENT: %s %s", variable, detail);
}

static _Noreturn void fail_socket(const char *source, const char *detail)
{
    fail(CNI_BAD_CONFIGURATION, "It must be the absolute path of enid's socket, at most 107 bytes, on one line.",
         "ENID_PLUGIN_SOCKET: the socket path of %s is not usable: %s", source, detail);
}

#endif

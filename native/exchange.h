/* One HTTP/1.1 request and its answer over the daemon's Unix socket, within the time limit. */
#ifndef ENID_EXCHANGE_H
#define ENID_EXCHANGE_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "request.h"

enum { HEAD_LIMIT = 16 * 1024, ANSWER_LIMIT = 1024 * 1024 };

static char answer[HEAD_LIMIT + ANSWER_LIMIT];
static size_t answer_length;

enum outcome {
    ANSWERED,
    AWAY,    /* nobody listens, or the daemon ended before its answer was complete */
    LATE,    /* the time is up */
    STRANGE, /* what answers is not enid */
};

static char detail[256];

static enum outcome outcome_of(enum outcome outcome, const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum outcome outcome_of(enum outcome outcome, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(detail, sizeof detail, format, values);
    va_end(values);
    return outcome;
}

static enum outcome connect_daemon(int *connection)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int left = remaining_ms();
    struct timeval limit = {.tv_sec = left / 1000, .tv_usec = (left % 1000) * 1000};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return outcome_of(AWAY, "%s", strerror(errno));
    if (left == 0)
        return outcome_of(LATE, "connect");
    memcpy(address.sun_path, socket_path, sizeof address.sun_path);
    /* A full backlog makes connect wait; the send timeout bounds that. */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    while (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (errno == EAGAIN)
            return outcome_of(LATE, "connect");
        if (errno != EINTR)
            return outcome_of(AWAY, "%s", strerror(errno));
    }
    *connection = fd;
    return ANSWERED;
}

static enum outcome send_request(int fd)
{
    char head[256];
    int head_length = snprintf(head, sizeof head,
                               "POST /cni HTTP/1.1\r\nHost: enid\r\nConnection: close\r\n"
                               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                               body.length);
    struct iovec parts[2] = {{head, (size_t)head_length}, {body.bytes, body.length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EAGAIN) {
            short events = wait_for(fd, POLLIN | POLLOUT);

            if (events == 0)
                return outcome_of(LATE, "send");
            if (events & POLLIN)
                return ANSWERED; /* it answers, or ends, before it has read everything */
            continue;
        }
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return ANSWERED; /* it closed its end: what it said before, if anything, can still be read */
        for (int i = 0; i < 2; i++) {
            size_t part = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;

            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            sent -= (ssize_t)part;
        }
    }
    return ANSWERED;
}

struct head {
    size_t length;      /* with the empty line */
    size_t body_length; /* Content-Length */
    int exit_code;      /* X-Enid-Exit */
};

/* Is `line` the header `name`? Then its value without the space around it. */
static bool header_value(const char *line, size_t length, const char *name, const char **value, size_t *value_length)
{
    size_t name_length = strlen(name);

    if (length <= name_length || line[name_length] != ':' || strncasecmp(line, name, name_length) != 0)
        return false;
    line += name_length + 1;
    length -= name_length + 1;
    while (length > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        length--;
    }
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    *value = line;
    *value_length = length;
    return true;
}

static enum outcome read_header(const char *line, size_t length, struct head *head, bool *has_length)
{
    const char *value;
    size_t value_length;

    if (header_value(line, length, "transfer-encoding", &value, &value_length))
        return outcome_of(STRANGE, "its answer has a Transfer-Encoding");
    if (header_value(line, length, "x-enid-exit", &value, &value_length)) {
        if (head->exit_code >= 0 || value_length != 1 || (*value != '0' && *value != '1'))
            return outcome_of(STRANGE, "its header X-Enid-Exit is not one 0 or 1");
        head->exit_code = *value - '0';
    }
    if (header_value(line, length, "content-length", &value, &value_length)) {
        if (*has_length || value_length == 0 || value_length > 9)
            return outcome_of(STRANGE, "its Content-Length is not usable");
        for (size_t i = 0; i < value_length; i++) {
            if (value[i] < '0' || value[i] > '9')
                return outcome_of(STRANGE, "its Content-Length is not usable");
            head->body_length = head->body_length * 10 + (size_t)(value[i] - '0');
        }
        *has_length = true;
    }
    return ANSWERED;
}

static enum outcome parse_head(size_t head_length, struct head *head)
{
    const char *at = answer;
    const char *end = answer + head_length - 2; /* the last header keeps its line end, the empty line is left out */
    bool has_length = false;

    head->length = head_length;
    head->body_length = 0;
    head->exit_code = -1;
    while (at < end) {
        const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        enum outcome outcome;

        if (line_end == NULL)
            return outcome_of(STRANGE, "its header is malformed");
        outcome = read_header(at, (size_t)(line_end - at), head, &has_length);
        if (outcome != ANSWERED)
            return outcome;
        at = line_end + 2;
    }
    if (head->exit_code < 0)
        return outcome_of(STRANGE, "its answer \"%.*s\" has no header X-Enid-Exit", (int)strcspn(answer, "\r\n"),
                          answer);
    if (!has_length)
        return outcome_of(STRANGE, "its answer has no Content-Length");
    if (head->body_length > ANSWER_LIMIT)
        return outcome_of(STRANGE, "its answer has %zu bytes, more than 1048576", head->body_length);
    return ANSWERED;
}

/* Adds what has arrived to `answer`. */
static enum outcome receive_more(int fd)
{
    ssize_t length;

    if (wait_for(fd, POLLIN) == 0)
        return outcome_of(LATE, "receive");
    length = recv(fd, answer + answer_length, sizeof answer - answer_length, MSG_DONTWAIT);
    if (length < 0 && (errno == EINTR || errno == EAGAIN))
        return ANSWERED;
    if (length <= 0)
        return outcome_of(AWAY, "it closed the connection before its answer was complete");
    answer_length += (size_t)length;
    return ANSWERED;
}

static enum outcome receive_answer(int fd, struct head *head)
{
    static const char start[] = "HTTP/1.1 ";
    const char *empty_line = NULL;
    enum outcome outcome;

    while (empty_line == NULL) {
        size_t known = answer_length < sizeof start - 1 ? answer_length : sizeof start - 1;

        if (memcmp(answer, start, known) != 0)
            return outcome_of(STRANGE, "its answer is not HTTP/1.1");
        empty_line = memmem(answer, answer_length, "\r\n\r\n", 4);
        if (empty_line == NULL && answer_length >= HEAD_LIMIT)
            return outcome_of(STRANGE, "its header has more than 16384 bytes");
        if (empty_line == NULL && (outcome = receive_more(fd)) != ANSWERED)
            return outcome;
    }
    if ((size_t)(empty_line - answer) > HEAD_LIMIT - 4)
        return outcome_of(STRANGE, "its header has more than 16384 bytes");
    outcome = parse_head((size_t)(empty_line - answer) + 4, head);
    while (outcome == ANSWERED && answer_length - head->length < head->body_length)
        outcome = receive_more(fd);
    return outcome;
}

static enum outcome exchange(struct head *head)
{
    int fd = -1;
    enum outcome outcome = connect_daemon(&fd);

    if (outcome == ANSWERED)
        outcome = send_request(fd);
    if (outcome == ANSWERED)
        outcome = receive_answer(fd, head);
    return outcome;
}

#endif

/*
 * enid-ipam: the CNI plugin executable of enid.
 *
 * It holds no logic. It sends the CNI environment and standard input to the daemon's Unix socket as one HTTP/1.1
 * request, POST /cni with {"environment": {...}, "stdin": "..."}, prints the body of the answer and exits with the
 * code in its header X-Enid-Exit. It is C because starting a language runtime costs more than the whole job.
 *
 * Only what must work without the daemon is decided here: DEL leaves an intent file in the queue folder and succeeds
 * (otherwise a full node whose daemon is being replaced could never delete a pod), VERSION is answered from a table,
 * everything else ends with a CNI error that says what to do. The texts are those of src/errors.ts; a test keeps them
 * equal. docs/cni.md describes the protocol for users.
 *
 * The program is one translation unit: `cc -O2 -static native/enid-ipam.c` builds it. All memory is static: the large
 * buffers lie in .bss and cost nothing until they are touched.
 */
#define _GNU_SOURCE

#include "json.h"
#include "results.h"
#include "request.h"
#include "exchange.h"
#include "del-queue.h"

enum { VERB_SHOWN = 32 };

static const char *verb = "";

static void print_version(void)
{
    char json[sizeof SUPPORTED_VERSIONS + VERSION_LIMIT + 64];
    int length = snprintf(json, sizeof json, "{\"cniVersion\":\"%s\",\"supportedVersions\":%s}\n", version,
                          SUPPORTED_VERSIONS);

    print(json, (size_t)length);
}

static _Noreturn void fail_unanswered(enum outcome outcome)
{
    int code = strcmp(verb, "STATUS") == 0 ? CNI_NOT_AVAILABLE : CNI_TRY_AGAIN_LATER;

    if (outcome == STRANGE)
        fail(CNI_IO_FAILURE,
             "Name enid's socket in the file " SOCKET_FILE "; use plugin and daemon of one version.",
             "ENID_DAEMON_STRANGE: what answers on %s is not enid: %s", socket_path, detail);
    if (*verb == '\0')
        fail_environment("CNI_COMMAND", "is not set");
    if (strcmp(verb, "ADD") != 0 && strcmp(verb, "CHECK") != 0 && strcmp(verb, "GC") != 0 &&
        strcmp(verb, "STATUS") != 0)
        fail(CNI_BAD_ENVIRONMENT, "Supported are ADD, DEL, CHECK, GC, STATUS and VERSION.",
             "ENID_CNI_VERB: CNI_COMMAND %.*s is not supported", VERB_SHOWN, verb);
    if (outcome == LATE)
        fail(code, "The runtime tries again by itself. `enid status` shows whether the daemon is busy or stuck.",
             "ENID_DAEMON_LATE: the enid daemon on %s did not answer %s within %d ms", socket_path, verb, timeout_ms);
    fail(code, "Start it with `enid run`, or name its socket: --socket; for the plugin, the file " SOCKET_FILE ".",
         "ENID_DAEMON_UNREACHABLE: no enid daemon answers on %s: %s", socket_path, detail);
}

int main(void)
{
    const char *command = getenv("CNI_COMMAND");
    struct head head = {0, 0, -1};
    enum outcome outcome;

    verb = command == NULL ? "" : command;
    read_timeout();
    if (*verb != '\0') {
        read_input(); /* without a verb somebody tries the program by hand: nothing would end that input */
        find_version();
    }
    find_socket();
    compose_body();
    outcome = exchange(&head);
    if (outcome == ANSWERED) {
        print(answer + head.length, head.body_length);
        return head.exit_code;
    }
    if (strcmp(verb, "VERSION") == 0) {
        print_version();
        return 0;
    }
    if (strcmp(verb, "DEL") == 0 && outcome != STRANGE) {
        queue_deletion();
        return 0;
    }
    fail_unanswered(outcome);
}

/*
 * Stands for the executable of a release: an ELF of its own, which hands its work to the enid of the checkout. What `status` says
 * lies in /run/stub-status.json; `--wait` ends with 1 while there is none.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char release[] = "release " RELEASE;

static int status(int waits) {
  FILE *file = fopen("/run/stub-status.json", "r");
  if (file == NULL) {
    fputs("the node is not ready after 1 s: the stub has no status\n", stderr);
    return waits ? 1 : 4;
  }
  for (int c = fgetc(file); c != EOF && !waits; c = fgetc(file)) putchar(c);
  fclose(file);
  return 0;
}

int main(int argc, char **argv) {
  static char self[4096], plugin[4110];
  char *words[64] = {CHECKOUT "/bin/enid"};
  int count = 1;
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0 || argc > 50) return 70;
  if (argc > 1 && strcmp(argv[1], "status") == 0) return status(argc > 2 && strcmp(argv[2], "--wait") == 0);
  for (int at = 1; at < argc; at++) words[count++] = argv[at];
  if (argc > 1 && strcmp(argv[1], "install") == 0) {
    snprintf(plugin, sizeof plugin, "%s-ipam", self);
    words[count++] = "--executable";
    words[count++] = self;
    words[count++] = "--plugin";
    words[count++] = plugin;
  }
  execv(words[0], words);
  perror(release);
  return 71;
}

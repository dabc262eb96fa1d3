/* A harness that does not want to end: `hostile COUNT` has so many descendants, says "ready" when all are up, and stays.

   All ignore TERM. One in four each: is in the leader's group; has a session of its own; is an orphan with a
   session of its own; has cleared its environment and stopped itself. Two minutes later all are dead anyway. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void stay(int report) {
  if (write(report, "+", 1) != 1) _exit(1);
  close(report);
  for (;;) pause();
}

static void behave(int kind, int report, char *self) {
  if (kind > 0) setsid();
  if (kind == 2 && fork()) _exit(0);
  if (kind == 3) {
    char *words[] = {self, "--stopped", NULL}, *nothing[] = {NULL};
    dup2(report, 0);
    execve(self, words, nothing);
  }
  stay(report);
}

int main(int count, char **words) {
  alarm(120);
  signal(SIGTERM, SIG_IGN);
  if (count > 1 && !strcmp(words[1], "--stopped")) {
    if (write(0, "+", 1) != 1) return 1;
    raise(SIGSTOP);
    for (;;) pause();
  }
  int wanted = count > 1 ? atoi(words[1]) : 0, channel[2];
  char up;
  if (pipe(channel)) return 1;
  for (int number = 0; number < wanted; number++) {
    if (!fork()) {
      alarm(120);
      close(channel[0]);
      behave(number % 4, channel[1], words[0]);
    }
  }
  for (int heard = 0; heard < wanted; heard++)
    if (read(channel[0], &up, 1) != 1) return 1;
  if (write(1, "ready\n", 6) != 6) return 1;
  for (;;) pause();
}

/* The physical floor: an echo server on a unix socket, one epoll loop, nothing decided, nothing parsed.
 *
 * floor SOCKET      serves until it is killed; says "ready" on standard output once it listens.
 * floor --stamp     says at which nanosecond of CLOCK_MONOTONIC it was started, and ends.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}

int main(int argc, char **argv) {
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (argc == 2 && !strcmp(argv[1], "--stamp")) {
        printf("%lld\n", (long long)start.tv_sec * 1000000000 + start.tv_nsec);
        return 0;
    }
    if (argc != 2) {
        fprintf(stderr, "usage: floor SOCKET\n");
        return 2;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(argv[1]) >= sizeof address.sun_path) {
        fprintf(stderr, "floor: %s: longer than a socket address\n", argv[1]);
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        die(argv[1]);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event))
        die("epoll");
    puts("ready");
    fflush(stdout);
    static char buffer[65536];
    for (;;) {
        int count = epoll_wait(poll, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (event.data.fd >= 0)
                    epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
                continue;
            }
            ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got <= 0 || send(fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
                close(fd);
        }
    }
}

/* The load: one thread, many connections, each in a closed loop of acquire, release, acquire, ...
 *
 * load PROTOCOL MODE SOCKET CONNECTIONS WARM_MS RUN_MS
 *
 * PROTOCOL  echo      any line is the answer (the floor)
 *           json      JSON-RPC by line: lease.acquire and lease.release
 *           operator  the same without a session's token: all connections are one holder
 *           redis     SET NX PX and a compare-and-delete script; in mode `queue` BLPOP and RPUSH
 *           postgres  advisory locks over the simple query protocol (user and database `postgres`)
 * MODE      own       every connection its own lease
 *           poll      one lease; a refusal is asked again at once
 *           queue     one lease; the server makes them wait
 *
 * It is cheap, so that the server is what is measured, and it checks what it measures: a lease is never
 * inside twice, and how often a grant overtook somebody who had asked earlier. Prints one JSON object.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, BUFFER = 8192, MAX_SAMPLES = 1 << 22 };
enum protocol { ECHO, JSON, OPERATOR, REDIS, POSTGRES };
enum mode { OWN, POLL, QUEUE };
enum phase { ACQUIRING, RELEASING };
enum answer { PARTIAL, YES, NO, BROKEN };

struct connection {
    int fd, lease;
    enum phase phase;
    size_t filled, acquire_size, release_size;
    uint64_t began, asked, pairs;
    char buffer[BUFFER], acquire[512], release[512];
};

static struct connection connections[MAX_CONNECTIONS];
static int inside[MAX_CONNECTIONS];
static uint32_t *samples;
static enum protocol protocol;
static enum mode mode;
static int busy;
static uint64_t pairs, refusals, errors, doubles, overtaken, grants, sequence, started, ends, sampled;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static size_t redis_command(char *to, size_t room, int words, const char **word) {
    size_t used = (size_t)snprintf(to, room, "*%d\r\n", words);
    for (int i = 0; i < words; i++)
        used += (size_t)snprintf(to + used, room - used, "$%zu\r\n%s\r\n", strlen(word[i]), word[i]);
    return used;
}

static size_t postgres_query(char *to, const char *text) {
    uint32_t size = (uint32_t)strlen(text) + 5;
    to[0] = 'Q';
    to[1] = (char)(size >> 24), to[2] = (char)(size >> 16), to[3] = (char)(size >> 8), to[4] = (char)size;
    memcpy(to + 5, text, size - 4);
    return size + 1;
}

static void prepare(struct connection *c, int number) {
    char key[32], holder[32], text[256];
    c->lease = mode == OWN ? number : 0;
    snprintf(key, sizeof key, "src/m%d.py", c->lease);
    snprintf(holder, sizeof holder, "c%d", number);
    if (protocol == ECHO || protocol == JSON || protocol == OPERATOR) {
        if (protocol != OPERATOR)
            snprintf(text, sizeof text, "\"token\":\"%s\",", holder);
        else
            text[0] = 0;
        c->acquire_size = (size_t)snprintf(
            c->acquire, sizeof c->acquire,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"lease.acquire\",\"params\":"
            "{%s\"paths\":[\"%s\"],\"wait\":%d}}\n", text, key, mode == QUEUE ? 60 : 0);
        c->release_size = (size_t)snprintf(
            c->release, sizeof c->release,
            "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"lease.release\",\"params\":"
            "{%s\"paths\":[\"%s\"]}}\n", text, key);
    } else if (protocol == REDIS && mode == QUEUE) {
        c->acquire_size = redis_command(c->acquire, sizeof c->acquire, 3, (const char *[]){"BLPOP", "lease", "60"});
        c->release_size = redis_command(c->release, sizeof c->release, 3, (const char *[]){"RPUSH", "lease", "1"});
    } else if (protocol == REDIS) {
        const char *script = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) end return 0";
        c->acquire_size = redis_command(c->acquire, sizeof c->acquire, 6,
                                        (const char *[]){"SET", key, holder, "NX", "PX", "900000"});
        c->release_size = redis_command(c->release, sizeof c->release, 5,
                                        (const char *[]){"EVAL", script, "1", key, holder});
    } else {
        snprintf(text, sizeof text, "SELECT pg_%sadvisory_lock(%d)", mode == QUEUE ? "" : "try_", c->lease);
        c->acquire_size = postgres_query(c->acquire, text);
        snprintf(text, sizeof text, "SELECT pg_advisory_unlock(%d)", c->lease);
        c->release_size = postgres_query(c->release, text);
    }
}

/* What the bytes so far say; every protocol here has one answer under way a connection. */
static enum answer redis_answer(struct connection *c) {
    char *b = c->buffer;
    if (c->filled < 4 || b[c->filled - 1] != '\n')
        return PARTIAL;
    if (b[0] == '-')
        return BROKEN;
    if (b[0] == '*') { /* BLPOP: two bulk strings, or *-1 when its time ran out */
        int lines = 0;
        for (size_t i = 0; i < c->filled; i++)
            lines += b[i] == '\n';
        return b[1] == '-' ? NO : lines < 5 ? PARTIAL : YES;
    }
    return b[0] == '+' || (b[0] == ':' && b[1] != '0') ? YES : NO;
}

static enum answer postgres_answer(struct connection *c) {
    enum answer answer = YES;
    for (size_t at = 0; at + 5 <= c->filled;) {
        unsigned char *m = (unsigned char *)c->buffer + at;
        size_t size = ((size_t)m[1] << 24 | (size_t)m[2] << 16 | (size_t)m[3] << 8 | m[4]) + 1;
        if (at + size > c->filled)
            return PARTIAL;
        if (m[0] == 'E')
            answer = BROKEN;
        if (m[0] == 'D' && size == 12 && m[11] == 'f')
            answer = NO;
        if (m[0] == 'Z')
            return answer;
        at += size;
    }
    return PARTIAL;
}

static enum answer answer_of(struct connection *c) {
    if (protocol == REDIS)
        return redis_answer(c);
    if (protocol == POSTGRES)
        return postgres_answer(c);
    if (!c->filled || c->buffer[c->filled - 1] != '\n')
        return PARTIAL;
    if (protocol == ECHO)
        return YES;
    if (memmem(c->buffer, c->filled, "\"result\":", 9))
        return YES;
    return memmem(c->buffer, c->filled, "\"code\":-32000", 13) ? NO : BROKEN;
}

static void send_all(struct connection *c, const char *bytes, size_t size) {
    if (send(c->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send");
}

static void acquire(struct connection *c) {
    c->phase = ACQUIRING;
    c->asked = ++sequence;
    send_all(c, c->acquire, c->acquire_size);
}

static void begin(struct connection *c) {
    c->began = now();
    acquire(c);
}

static void granted(struct connection *c, int count) {
    grants++;
    if (protocol != ECHO && ++inside[c->lease] != 1)
        doubles++;
    if (mode == QUEUE)
        for (int i = 0; i < count; i++)
            if (connections[i].phase == ACQUIRING && connections[i].asked < c->asked) {
                overtaken++;
                break;
            }
    c->phase = RELEASING;
    inside[c->lease]--; /* before the release is sent: afterwards the next holder may be first to tell us */
    send_all(c, c->release, c->release_size);
}

static void paired(struct connection *c) {
    uint64_t end = now();
    if (end > ends) {
        busy--; /* over: nothing is left held behind us */
        return;
    }
    if (c->began >= started) {
        pairs++;
        c->pairs++;
        if (sampled < MAX_SAMPLES)
            samples[sampled++] = (uint32_t)(end - c->began < UINT32_MAX ? end - c->began : UINT32_MAX);
    }
    begin(c);
}

static void heard(struct connection *c, int count) {
    ssize_t got = recv(c->fd, c->buffer + c->filled, BUFFER - c->filled, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN)
            return;
        fprintf(stderr, "load: the server hung up\n");
        exit(1);
    }
    c->filled += (size_t)got;
    enum answer answer = answer_of(c);
    if (answer == PARTIAL)
        return;
    if (answer == BROKEN) {
        if (!errors++)
            fprintf(stderr, "load: %.*s\n", (int)(c->filled < 500 ? c->filled : 500), c->buffer);
        if (errors > 100)
            exit(1);
    }
    c->filled = 0;
    if (c->phase == RELEASING)
        paired(c);
    else if (answer == YES)
        granted(c, count);
    else if (now() > ends)
        busy--;
    else {
        refusals++;
        acquire(c);
    }
}

static void greet_postgres(struct connection *c) {
    static const char startup[] = "\0\3\0\0user\0postgres\0database\0postgres\0";
    char packet[4 + sizeof startup] = {0, 0, 0, (char)(4 + sizeof startup)};
    memcpy(packet + 4, startup, sizeof startup);
    send_all(c, packet, sizeof packet);
    while (postgres_answer(c) == PARTIAL) {
        ssize_t got = recv(c->fd, c->buffer + c->filled, BUFFER - c->filled, 0);
        if (got <= 0)
            die("postgres said no");
        c->filled += (size_t)got;
    }
    if (postgres_answer(c) == BROKEN)
        die("postgres said no");
    c->filled = 0;
}

static void ready_redis_queue(struct connection *c) {
    static const char fill[] = "*2\r\n$3\r\nDEL\r\n$5\r\nlease\r\n*3\r\n$5\r\nRPUSH\r\n$5\r\nlease\r\n$1\r\n1\r\n";
    char trash[64];
    send_all(c, fill, sizeof fill - 1);
    size_t got = 0;
    while (got < 8) { /* ":0\r\n:1\r\n" */
        ssize_t more = recv(c->fd, trash, sizeof trash, 0);
        if (more <= 0)
            die("redis said no");
        got += (size_t)more;
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double quantile(double q) {
    return sampled ? samples[(uint64_t)(q * (double)(sampled - 1))] / 1000.0 : 0;
}

static int number_of(const char *text, const char **names) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(text, names[i]))
            return i;
    fprintf(stderr, "load: %s: not known\n", text);
    exit(2);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: load PROTOCOL MODE SOCKET CONNECTIONS WARM_MS RUN_MS\n");
        return 2;
    }
    protocol = (enum protocol)number_of(argv[1], (const char *[]){"echo", "json", "operator", "redis", "postgres", NULL});
    mode = (enum mode)number_of(argv[2], (const char *[]){"own", "poll", "queue", NULL});
    int count = atoi(argv[4]);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (count < 1 || count > MAX_CONNECTIONS || strlen(argv[3]) >= sizeof address.sun_path) {
        fprintf(stderr, "load: too many connections, or too long a path\n");
        return 2;
    }
    strcpy(address.sun_path, argv[3]);
    samples = malloc(sizeof *samples * MAX_SAMPLES);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}, ready[256];
    for (int i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        while (connect(c->fd, (struct sockaddr *)&address, sizeof address))
            if (errno != EAGAIN)
                die(argv[3]);
        prepare(c, i);
        if (protocol == POSTGRES)
            greet_postgres(c);
        if (protocol == REDIS && mode == QUEUE && i == 0)
            ready_redis_queue(c);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        event.data.ptr = c;
        epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &event);
    }
    started = now() + (uint64_t)atoi(argv[5]) * 1000000u;
    ends = started + (uint64_t)atoi(argv[6]) * 1000000u;
    busy = count;
    for (int i = 0; i < count; i++)
        begin(&connections[i]);
    while (busy) {
        int found = epoll_wait(poll, ready, 256, 10000);
        if (!found) {
            fprintf(stderr, "load: no answer for 10 s\n");
            return 1;
        }
        for (int i = 0; i < found; i++)
            heard(ready[i].data.ptr, count);
    }
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < count; i++) {
        least = connections[i].pairs < least ? connections[i].pairs : least;
        most = connections[i].pairs > most ? connections[i].pairs : most;
    }
    qsort(samples, sampled, sizeof *samples, by_size);
    printf("{\"pairs\":%lu,\"per_second\":%.1f,\"p10_us\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"max_us\":%.2f,"
           "\"refusals\":%lu,\"errors\":%lu,\"entered_twice\":%lu,\"grants\":%lu,\"overtakes\":%lu,"
           "\"least\":%lu,\"most\":%lu}\n",
           pairs, (double)pairs * 1e9 / (double)(ends - started), quantile(0.1), quantile(0.5), quantile(0.99),
           quantile(1), refusals, errors, doubles, grants, overtaken, least, most);
    return 0;
}

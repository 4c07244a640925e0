// Keeps a number of connections busy with one request after the other, checks every byte of text, and counts.
// options.c lists the arguments; the result is one line of JSON. A chunk's delay is the true one-way time from the
// engine's write to the read here, where the tokens are stamps.
#define _GNU_SOURCE
#include "clock.h"
#include "histogram.h"
#include "http_reply.h"
#include "options.h"
#include "processes.h"
#include "text_check.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (1 << 18)
#define EVENTS_MAX 1024
#define STALLED_RECEIVE_BYTES 65536
#define HOLD_S_MAX 120
#define BROKEN_MAX 1000 // connections that break, after which a run is over
#define COMPLAINTS_MAX 3

struct connection {
    int fd;
    bool connected, broken;
    int sent; // bytes of the request
    uint64_t asked_ns;
    bool begun; // its first text has been counted
    struct http_reply reply;
    struct text_check text;
};

static struct {
    uint64_t chunks, requests, bytes, reads, broken, wrong, refused, reopened, begun;
    struct histogram delay, first, gap;
} seen;

static struct options options;
static char *request;
static int request_size;
static int poll_fd;
static bool measuring;
static struct connection *reading; // whose bytes are being read

static void watch(struct connection *one, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = one};
    epoll_ctl(poll_fd, operation, one->fd, &event);
}

static void count_text(uint64_t now, uint64_t gap_ns) {
    if (!reading->begun) {
        reading->begun = true;
        seen.begun++;
        if (measuring || options.hold) histogram_add(&seen.first, (now - reading->asked_ns) / NS_PER_US);
    }
    if (!measuring) return;
    seen.chunks++;
    if (gap_ns) histogram_add(&seen.gap, gap_ns / NS_PER_US);
}

static void count_stamp(uint64_t now, uint64_t written_us) {
    uint64_t us = now / NS_PER_US;
    if (measuring) histogram_add(&seen.delay, us > written_us ? us - written_us : 0);
}

static void take_body(void *owner, const char *bytes, long size) {
    struct connection *one = owner;
    text_check_feed(&one->text, bytes, size);
}

static void open_connection(struct connection *one) {
    int on = 1, receive_bytes = STALLED_RECEIVE_BYTES;
    one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options.stall) setsockopt(one->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->connected = false;
    if (connect(one->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) {
        perror("loadgen: cannot connect");
        exit(3);
    }
    watch(one, EPOLL_CTL_ADD, EPOLLOUT);
}

// Sends what the socket takes of the request; the rest follows when it takes more.
static void send_request(struct connection *one) {
    ssize_t sent = send(one->fd, request + one->sent, (size_t)(request_size - one->sent), MSG_NOSIGNAL);
    if (sent > 0) one->sent += (int)sent;
    watch(one, EPOLL_CTL_MOD, one->sent < request_size ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void ask(struct connection *one) {
    http_reply_reset(&one->reply);
    text_check_reset(&one->text);
    one->begun = false;
    one->asked_ns = now_ns();
    ssize_t sent = send(one->fd, request, (size_t)request_size, MSG_NOSIGNAL);
    one->sent = sent > 0 ? (int)sent : 0;
    if (one->sent < request_size) watch(one, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void reopen(struct connection *one) {
    close(one->fd);
    seen.reopened++;
    open_connection(one);
}

static void finish(struct connection *one) {
    if (measuring) seen.requests++;
    if (one->reply.status != 200) {
        if (seen.refused++ < COMPLAINTS_MAX) fprintf(stderr, "refused: %.200s\n", one->reply.head);
    } else if (!text_check_finish(&one->text, options.streamed)) {
        seen.wrong++;
    }
    if (one->reply.closes)
        reopen(one);
    else
        ask(one);
}

static void broke(struct connection *one) {
    if (seen.broken++ < COMPLAINTS_MAX) fprintf(stderr, "closed in the middle of a reply: %s\n", strerror(errno));
    if (seen.broken > BROKEN_MAX) exit(4);
    reopen(one);
}

static void take(struct connection *one, const char *bytes, long size) {
    reading = one;
    while (size > 0) {
        long taken = http_reply_feed(&one->reply, bytes, size, take_body, one);
        if (taken < 0) return broke(one);
        bytes += taken;
        size -= taken;
        if (one->reply.part == OVER) return finish(one); // nothing was asked that could follow
    }
}

static void connected(struct connection *one) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        fprintf(stderr, "loadgen: cannot connect: %s\n", strerror(error));
        exit(3);
    }
    one->connected = true;
    watch(one, EPOLL_CTL_MOD, EPOLLIN);
    ask(one);
}

static void ready(struct connection *one, uint32_t events) {
    static char buffer[READ_BYTES];
    if (!one->connected) return connected(one);
    if (events & EPOLLOUT) send_request(one);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    if (options.stall && one->reply.part == BODY) return watch(one, EPOLL_CTL_MOD, 0);
    ssize_t got = recv(one->fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 && one->reply.part == BODY && one->reply.closes) return finish(one);
    if (got <= 0) return broke(one);
    if (measuring) {
        seen.bytes += (uint64_t)got;
        seen.reads++;
    }
    take(one, buffer, got);
}

struct reading {
    uint64_t at_ns;
    struct used gateway, engine;
    double own_s;
};

static struct reading read_usage(void) {
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    return (struct reading){
        .at_ns = now_ns(),
        .gateway = processes_used(options.pids, options.pids_count),
        .engine = processes_used(&options.engine_pid, options.engine_pid != 0),
        .own_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                 (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6,
    };
}

// Whether the run is over. Begins to measure when the warm-up is over.
static bool is_over(uint64_t started_ns, struct reading *begin) {
    static uint64_t end_ns;
    uint64_t now = now_ns(), warm_ns = (uint64_t)(options.warm_s * 1e9);
    if (options.hold) {
        if (!end_ns && seen.begun >= (uint64_t)options.connections) end_ns = now + warm_ns;
        return (end_ns && now >= end_ns) || now - started_ns > HOLD_S_MAX * NS_PER_S;
    }
    uint64_t ramp_ns = (uint64_t)(options.connections * options.ramp_us * NS_PER_US);
    if (!measuring && now >= started_ns + ramp_ns + warm_ns) {
        measuring = true;
        *begin = read_usage();
        end_ns = begin->at_ns + (uint64_t)(options.measure_s * 1e9);
    }
    return measuring && now >= end_ns;
}

static void run(struct connection *all, struct reading *begin) {
    static struct epoll_event events[EVENTS_MAX];
    uint64_t started_ns = now_ns();
    int opened = 0;
    *begin = read_usage();
    while (!is_over(started_ns, begin)) {
        double passed_us = (double)(now_ns() - started_ns) / NS_PER_US;
        for (int room = 256; room && opened < options.connections && passed_us >= opened * options.ramp_us; room--)
            open_connection(&all[opened++]);
        int count = epoll_wait(poll_fd, events, EVENTS_MAX, opened < options.connections ? 1 : 10);
        for (int place = 0; place < count; place++)
            ready(events[place].data.ptr, events[place].events);
    }
}

static void report(const struct reading *begin, const struct reading *end, long rss_kb_before) {
    double seconds = (double)(end->at_ns - begin->at_ns) / 1e9;
    double cpu_s = end->gateway.cpu_s - begin->gateway.cpu_s;
    printf("{\"seconds\":%.3f,\"chunks\":%lu,\"chunks_per_s\":%.0f,\"requests\":%lu,\"requests_per_s\":%.1f,", seconds,
           seen.chunks, (double)seen.chunks / seconds, seen.requests, (double)seen.requests / seconds);
    printf("\"bytes\":%lu,\"reads\":%lu,\"gateway_cpu_s\":%.3f,\"gateway_waited_s\":%.3f,", seen.bytes, seen.reads,
           cpu_s, end->gateway.waited_s - begin->gateway.waited_s);
    printf("\"engine_cpu_s\":%.3f,\"own_cpu_s\":%.3f,", end->engine.cpu_s - begin->engine.cpu_s,
           end->own_s - begin->own_s);
    printf("\"delay_us_p50\":%ld,\"delay_us_p99\":%ld,", histogram_at(&seen.delay, .5), histogram_at(&seen.delay, .99));
    printf("\"first_us_p50\":%ld,\"first_us_p99\":%ld,", histogram_at(&seen.first, .5), histogram_at(&seen.first, .99));
    printf("\"gap_us_p50\":%ld,\"gap_us_p99\":%ld,", histogram_at(&seen.gap, .5), histogram_at(&seen.gap, .99));
    printf("\"begun\":%lu,\"broken\":%lu,\"wrong\":%lu,\"refused\":%lu,\"reopened\":%lu,", seen.begun, seen.broken,
           seen.wrong, seen.refused, seen.reopened);
    printf("\"rss_kb_before\":%ld,\"rss_kb_after\":%ld}\n", rss_kb_before,
           processes_rss_kb(options.pids, options.pids_count));
}

int main(int count, char **arguments) {
    options = read_options(count, arguments);
    request = request_of(&options, &request_size);
    text_check_expect(options.style, options.tokens, options.stamped, count_text, count_stamp);
    seen.delay = histogram_new();
    seen.first = histogram_new();
    seen.gap = histogram_new();
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){20000, 20000});
    poll_fd = epoll_create1(0);
    struct connection *all = calloc((size_t)options.connections, sizeof *all);
    struct reading begin, end;
    long rss_kb_before = processes_rss_kb(options.pids, options.pids_count);
    run(all, &begin);
    end = read_usage();
    report(&begin, &end, rss_kb_before);
    return 0;
}

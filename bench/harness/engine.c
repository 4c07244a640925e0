// An engine without a model: it streams a known text to any number of clients, on one thread.
//   engine PORT
// POST */completions and */chat/completions are answered as llama-server does, POST /api/chat as Ollama does; asked.h
// says what to ask.
#define _GNU_SOURCE
#include "asked.h"
#include "clock.h"
#include "frames.h"
#include "queues.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_BYTES 16384
#define WRITE_BYTES_MAX 65536
#define EVENTS_MAX 1024
#define LATE_GAPS_MAX 50 // a stream that is further behind than this begins a new schedule

struct connection {
    struct waiting waiting;
    struct asked asked;
    int fd;
    char *input;
    int input_size, input_room;
    char *unsent;
    int unsent_size, unsent_at;
    int written; // tokens of the stream
    bool streaming, begun;
};

enum outcome { SENT, BLOCKED, FINISHED, GONE };

static struct connection *connections[CONNECTIONS_MAX];
static int poll_fd;
static uint64_t started_ns;
static unsigned random_state = 12345;

static struct connection *owner(struct waiting *waiting) {
    return (struct connection *)((char *)waiting - offsetof(struct connection, waiting));
}

static void watch(struct connection *one, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = one->fd};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, one->fd, &event);
}

static void leave_queues(struct connection *one) {
    heap_remove(&one->waiting);
    list_remove(&one->waiting);
}

static enum outcome drop(struct connection *one) {
    leave_queues(one);
    connections[one->fd] = NULL;
    close(one->fd);
    free(one->input);
    free(one->unsent);
    free(one);
    return GONE;
}

// Writes what the socket takes, and keeps the rest until it takes more.
static enum outcome write_out(struct connection *one, const char *bytes, int size) {
    ssize_t sent = send(one->fd, bytes, (size_t)size, MSG_NOSIGNAL);
    if (sent == size) return SENT;
    if (sent < 0 && errno != EAGAIN) return drop(one);
    if (sent < 0) sent = 0;
    free(one->unsent);
    one->unsent_size = size - (int)sent;
    one->unsent_at = 0;
    one->unsent = malloc((size_t)one->unsent_size);
    memcpy(one->unsent, bytes + sent, (size_t)one->unsent_size);
    watch(one, EPOLLIN | EPOLLOUT);
    return BLOCKED;
}

static int copy(char *out, const struct frame *frame) {
    memcpy(out, frame->bytes, (size_t)frame->size);
    if (frame->stamp_at >= 0) {
        uint64_t us = now_ns() / NS_PER_US;
        for (int digit = STAMP_DIGITS - 1; digit >= 0; digit--, us >>= 4)
            out[frame->stamp_at + digit] = "0123456789abcdef"[us & 15];
    }
    return frame->size;
}

static const struct frame *next_frame(const struct connection *one) {
    const struct frames *frames = &frames_of[one->asked.wire];
    if (one->written < one->asked.reasoning) return &frames->reasoning;
    return one->asked.stamped ? &frames->stamped : &frames->tokens[(one->written - one->asked.reasoning) % TOKENS];
}

static void process(struct connection *one);

// Writes the last records in one write, and takes the next request.
static enum outcome finish(struct connection *one, char *buffer, int size) {
    const struct frames *frames = &frames_of[one->asked.wire];
    for (int end = 0; end < frames->ends_count; end++)
        size += copy(buffer + size, &frames->ends[end]);
    memcpy(buffer + size, "0\r\n\r\n", 5);
    if (write_out(one, buffer, size + 5) == GONE) return GONE;
    one->streaming = false;
    leave_queues(one);
    if (one->input_size) process(one);
    return FINISHED;
}

// Makes the next write of a stream.
static enum outcome step(struct connection *one) {
    static char buffer[2 * WRITE_BYTES_MAX];
    const struct frames *frames = &frames_of[one->asked.wire];
    int size = 0, all = one->asked.tokens + one->asked.reasoning;
    if (!one->begun) {
        one->begun = true;
        memcpy(buffer, frames->head, (size_t)frames->head_size);
        size = frames->head_size;
        if (frames->first.size) size += copy(buffer + size, &frames->first);
        return write_out(one, buffer, size);
    }
    for (int left = one->asked.per_write; left && one->written < all && size < WRITE_BYTES_MAX - 4096; left--) {
        size += copy(buffer + size, next_frame(one));
        one->written++;
    }
    return one->written >= all ? finish(one, buffer, size) : write_out(one, buffer, size);
}

static uint64_t first_due(const struct asked *asked, uint64_t now) {
    if (asked->first_ns && !asked->gap_ns) return now + asked->first_ns;
    if (asked->together) {
        uint64_t steps = (now + asked->first_ns - started_ns) / asked->gap_ns + 1;
        return started_ns + steps * asked->gap_ns;
    }
    if (asked->first_ns) return now + asked->first_ns;
    random_state = random_state * 1103515245 + 12345; // streams begin at any time of the gap, not all at once
    return now + (uint64_t)((random_state >> 8) % 1000) * asked->gap_ns / 1000;
}

static void begin(struct connection *one) {
    one->streaming = true;
    one->begun = false;
    one->written = 0;
    if (!one->asked.first_ns) {
        if (step(one) != SENT) return; // it goes on when the socket takes more
        // The first token follows the head at once: its delay is the path's, not the schedule's.
        if (one->asked.gap_ns && step(one) != SENT) return;
    }
    if (!one->asked.gap_ns && !one->asked.first_ns) {
        list_add(&one->waiting);
        return;
    }
    one->waiting.due_ns = first_due(&one->asked, now_ns());
    heap_add(&one->waiting);
}

static void answer_question(struct connection *one, const char *head) {
    const char *body = "{\"version\":\"0.13.0\",\"template\":\"{{ .Messages }}\",\"details\":{},\"model_info\":{},"
                       "\"capabilities\":[\"completion\"]}";
    if (strstr(head, "/v1/models"))
        body = "{\"object\":\"list\",\"data\":[{\"id\":\"bench-n1000\",\"object\":\"model\",\"created\":1763675551,"
               "\"owned_by\":\"llamacpp\"}]}";
    else if (strstr(head, "/api/tags"))
        body = "{\"models\":[{\"name\":\"bench-n1000\",\"model\":\"bench-n1000\","
               "\"modified_at\":\"2025-11-20T21:52:31Z\",\"size\":1,\"digest\":\"x\",\"details\":{}}]}";
    char reply[1024];
    int size = sprintf(reply, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(body), body);
    write_out(one, reply, size);
}

static void answer(struct connection *one, const char *head, const char *body) {
    one->asked = read_request(head, body);
    if (!one->asked.for_text) {
        answer_question(one, head);
    } else if (one->asked.streamed) {
        begin(one);
    } else {
        int size;
        char *reply = whole_reply(one->asked.wire, one->asked.tokens, &size);
        write_out(one, reply, size);
        free(reply);
    }
}

// Answers each request that is there whole; none while a stream runs.
static void process(struct connection *one) {
    int fd = one->fd, body_at, size;
    while (connections[fd] == one && !one->streaming && one->input_size) {
        one->input[one->input_size] = 0;
        size = request_size(one->input, one->input_size, &body_at);
        if (!size) return;
        char *request = one->input;
        int rest = one->input_size - size;
        one->input = malloc((size_t)(INPUT_BYTES + rest + 1));
        one->input_room = INPUT_BYTES + rest;
        one->input_size = rest;
        memcpy(one->input, request + size, (size_t)rest);
        request[size] = 0;
        request[body_at - 1] = 0;
        answer(one, request, request + body_at);
        free(request);
    }
}

static void accept_all(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (fd >= CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *one = calloc(1, sizeof *one);
        one->fd = fd;
        one->input_room = INPUT_BYTES;
        one->input = malloc(INPUT_BYTES + 1);
        connections[fd] = one;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

// The socket takes bytes again: write the rest, then go on with the stream.
static enum outcome resume(struct connection *one) {
    ssize_t sent =
        send(one->fd, one->unsent + one->unsent_at, (size_t)(one->unsent_size - one->unsent_at), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? BLOCKED : drop(one);
    one->unsent_at += (int)sent;
    if (one->unsent_at < one->unsent_size) return BLOCKED;
    one->unsent_size = one->unsent_at = 0;
    watch(one, EPOLLIN);
    if (!one->streaming || one->waiting.heap_place) return SENT;
    if (!one->asked.gap_ns) {
        list_add(&one->waiting);
    } else {
        uint64_t now = now_ns();
        if (one->waiting.due_ns < now) one->waiting.due_ns = now;
        heap_add(&one->waiting);
    }
    return SENT;
}

static void receive(struct connection *one) {
    if (one->input_room - one->input_size < INPUT_BYTES / 2) {
        one->input_room = 2 * one->input_room + INPUT_BYTES;
        one->input = realloc(one->input, (size_t)one->input_room + 1);
    }
    ssize_t got = recv(one->fd, one->input + one->input_size, (size_t)(one->input_room - one->input_size), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        drop(one);
    } else if (got > 0) {
        one->input_size += (int)got;
        if (!one->streaming && !one->unsent_size) process(one);
    }
}

// Writes for every stream that is due.
static void write_due(void) {
    for (int place = 1; place <= list_count;) {
        struct connection *one = owner(list[place]);
        enum outcome outcome = step(one);
        if (outcome == SENT) place++;
        if (outcome == BLOCKED) list_remove(&one->waiting);
    }
    uint64_t now = now_ns();
    while (heap_count && heap[1]->due_ns <= now) {
        struct connection *one = owner(heap[1]);
        uint64_t gap = one->asked.gap_ns;
        enum outcome outcome = step(one);
        if (outcome == SENT && one->written == 0 && one->asked.first_ns) outcome = step(one);
        if (outcome == BLOCKED) {
            one->waiting.due_ns += gap;
            heap_remove(&one->waiting);
        }
        if (outcome != SENT) continue;
        if (!gap) {
            heap_remove(&one->waiting);
            list_add(&one->waiting);
            continue;
        }
        one->waiting.due_ns += gap;
        if (one->waiting.due_ns + LATE_GAPS_MAX * gap < now) one->waiting.due_ns = now;
        heap_later(&one->waiting);
    }
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 8192)) {
        perror("engine: cannot listen");
        exit(1);
    }
    return fd;
}

static int wait_for_events(struct epoll_event *events) {
    struct timespec wait = {0, 0};
    if (!list_count && !heap_count) return epoll_pwait2(poll_fd, events, EVENTS_MAX, NULL, NULL);
    uint64_t now = now_ns();
    if (!list_count && heap[1]->due_ns > now) {
        uint64_t left = heap[1]->due_ns - now;
        wait = (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
    }
    return epoll_pwait2(poll_fd, events, EVENTS_MAX, &wait, NULL);
}

int main(int count, char **arguments) {
    static struct epoll_event events[EVENTS_MAX];
    if (count != 2) return fprintf(stderr, "usage: engine PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    frames_build();
    started_ns = now_ns();
    int listener = listen_on(atoi(arguments[1]));
    poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = wait_for_events(events);
        for (int place = 0; place < ready; place++) {
            int fd = events[place].data.fd;
            if (fd == listener) {
                accept_all(listener);
                continue;
            }
            struct connection *one = connections[fd];
            if (one && events[place].events & EPOLLOUT && resume(one) == GONE) continue;
            if (one && events[place].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(one);
        }
        write_due();
    }
}

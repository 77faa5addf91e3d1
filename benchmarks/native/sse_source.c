/* What stands behind a proxy in place of a model server: OpenAI's chat completions over HTTP, by the word " sea".
 *
 *   sse_source PORT
 *
 * Each line on its input sets the pace, "MICROSECONDS STREAMS", and is answered with "ok": every so many microseconds a step
 * gives a token to so many of the open streams in turn (0: to all of them); 0 microseconds is as fast as they are read. A
 * token is one event and one write, as a model server makes them. One thread, epoll, connections that stay; a request says
 * how many tokens it wants by max_tokens and whether to stream them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MOST_STREAMS 4096
#define REQUEST_BYTES 65536
#define CHUNK_START \
    "{\"id\":\"chatcmpl-0123456789abcdef0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1790000000," \
    "\"model\":\"bench\",\"system_fingerprint\":null,\"choices\":[{\"index\":0,\"delta\":"

struct stream {
    int fd, active, index; /* its place among the active ones */
    long tokens;           /* still to be written */
    const char *piece;     /* being written */
    long piece_size, written;
    int is_last, is_body; /* the piece ends the answer; the piece is a body of its own memory */
    char *request;
    int request_size;
};

static const char streaming_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
/* To whatever a proxy asks before it believes that this is a model server. */
static const char about[] = "{\"object\":\"list\",\"status\":\"ok\",\"model_path\":\"bench\",\"served_model_name\":\"bench\","
    "\"version\":\"1\",\"data\":[{\"id\":\"bench\",\"object\":\"model\",\"owned_by\":\"us\"}]}";
static char opening[1024], event[1024], ending[1024], introduction[1024];
static struct stream *active[MOST_STREAMS], listener_mark, pace_mark, step_mark;
static int active_count, turn, streams_a_step, poll_fd, timer;
static long period_us;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int fd, struct stream *s, int how, unsigned what) {
    struct epoll_event event = {.events = what, .data.ptr = s};
    if (epoll_ctl(poll_fd, how, fd, &event) != 0) fail("epoll");
}

static void stop_streaming(struct stream *s) {
    if (!s->active) return;
    s->active = 0;
    active[s->index] = active[--active_count];
    active[s->index]->index = s->index;
}

static void hang_up(struct stream *s) {
    stop_streaming(s);
    close(s->fd);
    if (s->is_body) free((void *)s->piece);
    free(s->request);
    free(s);
}

static void begin(struct stream *s, const char *piece, long size) {
    s->piece = piece;
    s->piece_size = size;
    s->written = 0;
}

/* Write what is left of the piece. 1: all of it; 0: the socket is full; -1: the peer is gone. */
static int flush(struct stream *s) {
    ssize_t n = write(s->fd, s->piece + s->written, s->piece_size - s->written);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    s->written += n;
    if (s->written < s->piece_size) return 0;
    if (s->is_body) free((void *)s->piece), s->is_body = 0;
    s->piece = NULL;
    return 1;
}

/* One token, or what is left of the one before. -1 when the stream is gone. */
static int advance(struct stream *s) {
    if (!s->piece) {
        s->is_last = s->tokens == 0;
        if (s->is_last) begin(s, ending, strlen(ending));
        else begin(s, event, strlen(event)), s->tokens--;
    }
    int done = flush(s);
    if (done == 1 && s->is_last) stop_streaming(s);
    /* The last token and the end of the answer come together. */
    else if (done == 1 && s->tokens == 0) return advance(s);
    return done;
}

/* How many streams could be written to. */
static int step(void) {
    int could = 0;
    int count = streams_a_step && streams_a_step < active_count ? streams_a_step : active_count;
    struct stream *chosen[MOST_STREAMS];
    if (turn >= active_count) turn = 0;
    for (int i = 0; i < count; i++) chosen[i] = active[(turn + i) % active_count];
    turn += count;
    for (int i = 0; i < count; i++) {
        int done = advance(chosen[i]);
        could += done == 1;
        if (done < 0) hang_up(chosen[i]);
    }
    return could;
}

static void answer_whole(struct stream *s, long tokens) {
    size_t room = tokens * 4 + 1024;
    char *body = malloc(room), *all = malloc(room + 256);
    int size = sprintf(body, "{\"id\":\"chatcmpl-0123456789abcdef0123456789abcdef\",\"object\":\"chat.completion\","
                             "\"created\":1790000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":"
                             "{\"role\":\"assistant\",\"content\":\"");
    for (long i = 0; i < tokens; i++) size += sprintf(body + size, " sea");
    size += sprintf(body + size, "\"},\"logprobs\":null,\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":16,"
                                 "\"completion_tokens\":%ld,\"total_tokens\":%ld}}", tokens, tokens + 16);
    int head = sprintf(all, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", size);
    memcpy(all + head, body, size);
    free(body);
    s->is_body = 1;
    begin(s, all, head + size);
}

/* A number behind a name in the body, wherever spaces stand. */
static long number(const char *body, const char *name, long otherwise) {
    const char *found = strstr(body, name);
    if (!found) return otherwise;
    found += strlen(name);
    found += strspn(found, "\": ");
    return strncmp(found, "true", 4) == 0 ? 1 : atol(found);
}

static int answer(struct stream *s, const char *body) {
    long tokens = number(body, "\"max_tokens\"", number(body, "\"max_completion_tokens\"", 16));
    if (strncmp(s->request, "POST", 4) != 0) {
        begin(s, introduction, strlen(introduction));
    } else if (!number(body, "\"stream\"", 0)) {
        answer_whole(s, tokens);
    } else {
        if (active_count == MOST_STREAMS) fprintf(stderr, "too many streams\n"), exit(1);
        begin(s, opening, strlen(opening));
        s->tokens = tokens;
        s->is_last = 0;
        s->active = 1;
        s->index = active_count;
        active[active_count++] = s;
    }
    return flush(s);
}

static int receive(struct stream *s) {
    ssize_t n = read(s->fd, s->request + s->request_size, REQUEST_BYTES - 1 - s->request_size);
    if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
    s->request_size += n;
    s->request[s->request_size] = 0;
    char *end = strstr(s->request, "\r\n\r\n");
    if (!end) return 0;
    char *length = strcasestr(s->request, "\r\ncontent-length:");
    long body = length && length < end ? atol(length + 17) : 0;
    if (s->request + s->request_size - (end + 4) < body) return 0;
    s->request_size = 0;
    return answer(s, end + 4);
}

static void take_in(int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct stream *s = calloc(1, sizeof *s);
    s->fd = fd;
    s->request = malloc(REQUEST_BYTES);
    watch(fd, s, EPOLL_CTL_ADD, EPOLLIN);
}

static void set_pace(void) {
    char line[128];
    ssize_t n = read(0, line, sizeof line - 1);
    if (n <= 0) exit(0);
    line[n] = 0;
    if (sscanf(line, "%ld %d", &period_us, &streams_a_step) != 2) fprintf(stderr, "no pace: %s\n", line), exit(1);
    struct itimerspec every = {{period_us / 1000000, period_us % 1000000 * 1000}, {period_us / 1000000, period_us % 1000000 * 1000}};
    timerfd_settime(timer, 0, &every, NULL);
    if (write(1, "ok\n", 3) != 3) fail("write");
}

static int listen_at(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
    return listener;
}

static void write_texts(void) {
    char text[512];
    snprintf(introduction, sizeof introduction,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", sizeof about - 1, about);
    int size = snprintf(text, sizeof text, "data: " CHUNK_START "{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
                                           "\"finish_reason\":null}]}\n\n");
    snprintf(opening, sizeof opening, "%s%x\r\n%s\r\n", streaming_head, size, text);
    size = snprintf(text, sizeof text, "data: " CHUNK_START "{\"content\":\" sea\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    snprintf(event, sizeof event, "%x\r\n%s\r\n", size, text);
    size = snprintf(text, sizeof text, "data: " CHUNK_START "{},\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n");
    snprintf(ending, sizeof ending, "%x\r\n%s\r\n0\r\n\r\n", size, text);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "sse_source PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    write_texts();
    poll_fd = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int listener = listen_at(atoi(argv[1]));
    watch(listener, &listener_mark, EPOLL_CTL_ADD, EPOLLIN);
    watch(0, &pace_mark, EPOLL_CTL_ADD, EPOLLIN);
    watch(timer, &step_mark, EPOLL_CTL_ADD, EPOLLIN);
    struct epoll_event ready[256];
    for (int could = 1;;) {
        int flooding = period_us == 0 && active_count > 0, due = flooding;
        /* When no stream takes more, turning the loop would take the reader's time. */
        int n = epoll_wait(poll_fd, ready, 256, flooding ? !could : -1);
        for (int i = 0; i < n; i++) {
            struct stream *s = ready[i].data.ptr;
            unsigned long expirations;
            if (s == &listener_mark) take_in(listener);
            else if (s == &pace_mark) set_pace();
            else if (s == &step_mark) due |= read(timer, &expirations, sizeof expirations) > 0;
            else if (receive(s) < 0) hang_up(s);
        }
        if (due) could = step();
    }
}

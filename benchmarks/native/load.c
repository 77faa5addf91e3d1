/* A load generator for HTTP answers, streamed or not: one thread, epoll, no JSON, no more work per byte than it must.
 *
 *   load PORT STREAMS REQUESTS PATH BODY-FILE
 *
 * Opens STREAMS connections to 127.0.0.1, keeps each busy with one request at a time, posts the body REQUESTS times in all,
 * and prints one JSON object. With 0 REQUESTS each stream posts one that has no end: "open" is printed when all have their
 * first token, SIGUSR1 starts counting anew, and SIGTERM asks for the figures since then. A token is the word " sea", which is all that the sources of the benchmarks ever say, so what
 * arrives is counted whatever the events are cut to. An answer is an error unless its status is 200, its body is whole, and a
 * stream of events has ended with [DONE].
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_SAMPLES 4000000
#define HEAD_BYTES 8192

enum part { HEAD, SIZED, CHUNK_HEAD, CHUNK, CHUNK_END, TRAILER };

/* Matches a text across whatever cuts the reads have made. None of the texts repeats its first byte where that matters. */
struct mark {
    const char *text;
    int size, at;
};

struct stream {
    int fd, open;
    enum part part;
    char head[HEAD_BYTES];
    int head_size;
    long left; /* of the body, or of the chunk */
    int refused, is_events, is_done;
    struct mark event, done, token;
    double sent, first, last;
};

struct samples {
    double *values;
    long count;
};

static struct samples firsts, gaps, wholes;
static long events, tokens, reads, bytes_read, errors, answers, to_send;
static int port, poll_fd;
static char *request;
static size_t request_size;
static volatile sig_atomic_t told_to_count, told_to_end;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void add(struct samples *samples, double value) {
    if (samples->count < MOST_SAMPLES) samples->values[samples->count++] = value;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_quantiles(const char *name, struct samples *samples) {
    qsort(samples->values, samples->count, sizeof *samples->values, by_value);
    double p50 = samples->count ? samples->values[(samples->count - 1) / 2] * 1e3 : 0;
    double p99 = samples->count ? samples->values[(long)((samples->count - 1) * 0.99)] * 1e3 : 0;
    printf("\"%s_p50_ms\": %.3f, \"%s_p99_ms\": %.3f, ", name, p50, name, p99);
}

static int matches(struct mark *mark, char byte) {
    if (byte != mark->text[mark->at]) mark->at = 0;
    if (byte == mark->text[mark->at] && ++mark->at == mark->size) {
        mark->at = 0;
        return 1;
    }
    return 0;
}

static void hear(int number) {
    if (number == SIGTERM) told_to_end = 1;
    else told_to_count = 1;
}

static void dial(struct stream *s) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, s->fd, &event);
    s->open = 1;
}

static void send_request(struct stream *s) {
    to_send--;
    s->part = HEAD;
    s->head_size = s->refused = s->is_events = s->is_done = 0;
    s->event = (struct mark){"data: ", 6, 0};
    s->done = (struct mark){"data: [DONE]", 12, 0};
    s->token = (struct mark){" sea", 4, 0};
    s->first = s->last = 0;
    s->sent = now();
    if (write(s->fd, request, request_size) != (ssize_t)request_size) fail("write");
}

static void hang_up(struct stream *s) {
    if (s->open) close(s->fd);
    s->open = 0;
}

/* The answer is over, well or not; the next request goes out where there is one. */
static void finish(struct stream *s, int well) {
    answers++;
    if (!well || s->refused || (s->is_events && !s->is_done)) errors++;
    add(&wholes, now() - s->sent);
    if (!well) hang_up(s);
    if (to_send > 0) {
        if (!s->open) dial(s);
        send_request(s);
    } else {
        hang_up(s);
    }
}

static void scan(struct stream *s, const char *bytes, long size) {
    long before = tokens;
    for (long i = 0; i < size; i++) {
        if (matches(&s->token, bytes[i])) tokens++;
        if (!s->is_events) continue;
        if (matches(&s->event, bytes[i])) events++;
        if (matches(&s->done, bytes[i])) s->is_done = 1, events--;
    }
    if (tokens == before) return;
    double at = now();
    if (s->first == 0) add(&firsts, at - s->sent), s->first = at;
    else add(&gaps, at - s->last);
    s->last = at;
}

static void read_head(struct stream *s) {
    char *length = strcasestr(s->head, "\r\ncontent-length:");
    int chunked = strcasestr(s->head, "\r\ntransfer-encoding: chunked") != NULL;
    s->is_events = strcasestr(s->head, "\r\ncontent-type: text/event-stream") != NULL;
    s->refused = strncmp(s->head, "HTTP/1.1 200", 12) != 0;
    if (s->refused && errors == 0) fprintf(stderr, "%.*s\n", (int)strcspn(s->head, "\r"), s->head);
    s->left = length ? atol(length + 17) : 0;
    s->part = chunked ? CHUNK_HEAD : SIZED;
    s->head_size = 0;
}

/* Takes some of the bytes and says how many. */
static long take(struct stream *s, const char *bytes, long size) {
    if (s->part == SIZED || s->part == CHUNK) {
        long n = size < s->left ? size : s->left;
        scan(s, bytes, n);
        s->left -= n;
        if (s->left == 0) {
            if (s->part == SIZED) finish(s, 1);
            else s->part = CHUNK_END;
        }
        return n;
    }
    /* Everything else is lines: the head up to an empty one, the size of a chunk, the end of a chunk, the end of all. */
    if (s->head_size == HEAD_BYTES - 1) fprintf(stderr, "a head is too long\n"), exit(1);
    s->head[s->head_size++] = bytes[0];
    s->head[s->head_size] = 0;
    const char *end = s->part == HEAD ? "\r\n\r\n" : "\r\n";
    int end_size = s->part == HEAD ? 4 : 2;
    if (s->head_size < end_size || strcmp(s->head + s->head_size - end_size, end) != 0) return 1;
    switch (s->part) {
    case HEAD:
        read_head(s);
        if (s->part == SIZED && s->left == 0) finish(s, 1);
        return 1;
    case CHUNK_HEAD:
        s->left = strtol(s->head, NULL, 16);
        s->part = s->left ? CHUNK : TRAILER;
        break;
    case CHUNK_END:
        s->part = CHUNK_HEAD;
        break;
    default:
        finish(s, 1);
    }
    s->head_size = 0;
    return 1;
}

static char *request_for(const char *path, const char *file, size_t *size) {
    static char body[1 << 20], text[(1 << 20) + 1024];
    FILE *input = fopen(file, "rb");
    if (!input) fail(file);
    size_t length = fread(body, 1, sizeof body, input);
    fclose(input);
    int head = snprintf(text, 1024,
                        "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer bench\r\n"
                        "Content-Length: %zu\r\n\r\n", path, length);
    memcpy(text + head, body, length);
    *size = head + length;
    return text;
}

static double used(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* Everything from now on. */
static double count_anew(void) {
    events = tokens = reads = bytes_read = errors = answers = 0;
    firsts.count = gaps.count = wholes.count = 0;
    return now();
}

static void print_figures(double seconds, double cpu_seconds) {
    printf("{\"answers\": %ld, \"errors\": %ld, \"events\": %ld, \"tokens\": %ld, \"reads\": %ld, \"bytes\": %ld, ",
           answers, errors, events, tokens, reads, bytes_read);
    print_quantiles("first", &firsts);
    print_quantiles("gap", &gaps);
    printf("\"gap_most_ms\": %.3f, ", gaps.count ? gaps.values[gaps.count - 1] * 1e3 : 0); /* sorted by now */
    print_quantiles("answer", &wholes);
    printf("\"cpu_seconds\": %.4f, \"seconds\": %.4f}\n", cpu_seconds, seconds);
}

static void receive(struct stream *s) {
    static char buffer[1 << 18];
    ssize_t got = s->open ? read(s->fd, buffer, sizeof buffer) : 0;
    if (!s->open || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
    if (got <= 0) {
        finish(s, 0);
        return;
    }
    reads++;
    bytes_read += got;
    for (long at = 0; at < got && s->open;) at += take(s, buffer + at, got - at);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "load PORT STREAMS REQUESTS PATH BODY-FILE\n");
        return 2;
    }
    port = atoi(argv[1]);
    int count = atoi(argv[2]), endless = atol(argv[3]) == 0, is_open = 0;
    long requests = to_send = endless ? count : atol(argv[3]);
    request = request_for(argv[4], argv[5], &request_size);
    struct stream *streams = calloc(count, sizeof *streams);
    firsts.values = malloc(MOST_SAMPLES * sizeof(double));
    gaps.values = malloc(MOST_SAMPLES * sizeof(double));
    wholes.values = malloc(MOST_SAMPLES * sizeof(double));
    struct sigaction on_signal = {.sa_handler = hear};
    sigset_t signals, waiting;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGTERM);
    /* They come while it waits and at no other time, so none is missed. */
    sigprocmask(SIG_BLOCK, &signals, &waiting);
    sigaction(SIGUSR1, &on_signal, NULL);
    sigaction(SIGTERM, &on_signal, NULL);
    poll_fd = epoll_create1(0);
    for (int i = 0; i < count; i++) dial(&streams[i]);
    double begun = now(), used_before = used();
    for (int i = 0; i < count && to_send > 0; i++) send_request(&streams[i]);
    struct epoll_event ready[256];
    while (endless ? !told_to_end && errors == 0 : answers < requests) {
        int n = epoll_pwait(poll_fd, ready, 256, endless ? -1 : 60000, &waiting);
        if (n == 0) {
            fprintf(stderr, "nothing for 60 s\n");
            return 1;
        }
        for (int i = 0; i < n; i++) receive(ready[i].data.ptr);
        if (endless && !is_open && firsts.count == count) {
            is_open = 1;
            puts("open");
            fflush(stdout);
        }
        if (told_to_count) {
            told_to_count = 0;
            begun = count_anew();
            used_before = used();
        }
    }
    print_figures(now() - begun, used() - used_before);
    return 0;
}

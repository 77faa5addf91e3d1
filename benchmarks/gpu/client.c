/* A load generator for streamed completions: one thread, epoll, the tokens as the server counts them.
 *
 *   client PORT STREAMS REQUESTS PATH BODIES
 *
 * Keeps STREAMS requests open at a time at 127.0.0.1 until REQUESTS have been answered, each on a connection of its own, each
 * with the next line of the file BODIES, and prints one JSON object. A token is what `"completion_tokens":` in the last event of
 * a stream says; an answer without it, or without [DONE], is an error. `first` is the time from sending to the first event,
 * `gap` that between reads of a stream, `answer` that to the last event; in milliseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_SAMPLES 8000000
#define MOST_BODIES 4096

/* Matches a text across whatever cuts the reads have made. No text repeats its first byte where that matters. */
struct mark {
    const char *text;
    int size, at;
};

struct stream {
    int fd, is_done, is_counting;
    long tokens; /* -1 until the server has told */
    struct mark event, done, usage;
    double sent, first, last;
};

struct samples {
    double *values;
    long count;
};

static struct samples firsts, gaps, answers;
static long events, tokens, reads, bytes_read, errors, sent_requests, ended_requests, all_requests;
static int port, poll_fd, body_count;
static char *requests[MOST_BODIES];
static size_t sizes[MOST_BODIES];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double used(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
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

static double quantile_ms(struct samples *samples, double q) {
    return samples->count ? samples->values[(long)((samples->count - 1) * q)] * 1e3 : 0;
}

static void print_quantiles(const char *name, struct samples *samples) {
    qsort(samples->values, samples->count, sizeof *samples->values, by_value);
    printf("\"%s_p50_ms\": %.3f, \"%s_p99_ms\": %.3f, ", name, quantile_ms(samples, 0.5), name, quantile_ms(samples, 0.99));
}

static int matches(struct mark *mark, char byte) {
    if (byte != mark->text[mark->at]) mark->at = 0;
    if (byte == mark->text[mark->at] && ++mark->at == mark->size) {
        mark->at = 0;
        return 1;
    }
    return 0;
}

static void begin(struct stream *s) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, which = sent_requests++ % body_count;
    *s = (struct stream){.fd = socket(AF_INET, SOCK_STREAM, 0), .tokens = -1};
    s->event = (struct mark){"data: ", 6, 0};
    s->done = (struct mark){"data: [DONE]", 12, 0};
    s->usage = (struct mark){"\"completion_tokens\":", 20, 0};
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->sent = now();
    if (write(s->fd, requests[which], sizes[which]) != (ssize_t)sizes[which]) fail("write");
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, s->fd, &event);
}

static void end(struct stream *s) {
    close(s->fd);
    ended_requests++;
    if (s->is_done && s->tokens > 0) tokens += s->tokens, events--; /* the one with the usage */
    else errors++;
    add(&answers, s->last - s->sent);
    if (sent_requests < all_requests) begin(s);
}

static void scan(struct stream *s, const char *bytes, ssize_t size, double at) {
    for (ssize_t i = 0; i < size; i++) {
        char byte = bytes[i];
        if (s->is_counting) {
            if (byte >= '0' && byte <= '9') s->tokens = s->tokens * 10 + byte - '0';
            else if (byte != ' ') s->is_counting = 0;
        }
        if (matches(&s->usage, byte)) s->is_counting = 1, s->tokens = 0;
        if (matches(&s->done, byte)) s->is_done = 1, events--;
        if (matches(&s->event, byte)) {
            events++;
            if (s->first == 0) add(&firsts, at - s->sent), s->first = at;
        }
    }
}

static void receive(struct stream *s) {
    static char buffer[1 << 18];
    ssize_t got = read(s->fd, buffer, sizeof buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        end(s);
        return;
    }
    if (errors == 0 && s->last == 0 && strncmp(buffer, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "%.*s\n", (int)(got < 600 ? got : 600), buffer);
    }
    double at = now();
    reads++;
    bytes_read += got;
    if (s->first != 0) add(&gaps, at - s->last);
    s->last = at;
    scan(s, buffer, got, at);
}

static void read_bodies(const char *path, const char *file) {
    FILE *input = fopen(file, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    if (!input) fail(file);
    while (body_count < MOST_BODIES && (size = getline(&line, &room, input)) > 0) {
        if (line[size - 1] == '\n') line[--size] = 0;
        char *request = malloc(size + 1024);
        int head = snprintf(request, 1024,
                            "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nConnection: close\r\n"
                            "Content-Length: %zd\r\n\r\n", path, size);
        memcpy(request + head, line, size);
        requests[body_count] = request;
        sizes[body_count++] = head + size;
    }
    fclose(input);
    free(line);
    if (body_count == 0) fprintf(stderr, "%s has no lines\n", file), exit(2);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "client PORT STREAMS REQUESTS PATH BODIES\n");
        return 2;
    }
    port = atoi(argv[1]);
    int count = atoi(argv[2]);
    all_requests = atol(argv[3]);
    read_bodies(argv[4], argv[5]);
    struct stream *streams = calloc(count, sizeof *streams);
    firsts.values = malloc(MOST_SAMPLES * sizeof(double));
    gaps.values = malloc(MOST_SAMPLES * sizeof(double));
    answers.values = malloc(MOST_SAMPLES * sizeof(double));
    poll_fd = epoll_create1(0);
    double begun = now(), used_before = used();
    for (int i = 0; i < count && sent_requests < all_requests; i++) begin(&streams[i]);
    struct epoll_event ready[256];
    while (ended_requests < all_requests) {
        int n = epoll_wait(poll_fd, ready, 256, 60000);
        if (n == 0) {
            fprintf(stderr, "nothing for 60 s\n");
            return 1;
        }
        for (int i = 0; i < n; i++) receive(ready[i].data.ptr);
    }
    double seconds = now() - begun;
    printf("{\"answers\": %ld, \"errors\": %ld, \"tokens\": %ld, \"events\": %ld, \"reads\": %ld, \"bytes\": %ld, ",
           ended_requests, errors, tokens, events, reads, bytes_read);
    print_quantiles("first", &firsts);
    print_quantiles("gap", &gaps);
    printf("\"gap_most_ms\": %.3f, ", gaps.count ? gaps.values[gaps.count - 1] * 1e3 : 0); /* sorted by now */
    print_quantiles("answer", &answers);
    printf("\"cpu_seconds\": %.4f, \"seconds\": %.4f}\n", used() - used_before, seconds);
    return 0;
}

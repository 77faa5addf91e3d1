/* A load generator for streamed answers: one thread, epoll, no parsing beyond counting events and looking at the clock.
 *
 *   sse_client PORT STREAMS PATH BODY-FILE
 *
 * Opens STREAMS connections to 127.0.0.1, posts the body on each at once, reads until each is closed, and prints one JSON
 * object: events, reads, errors, seconds from the first byte of all to the last, time to the first event (p50, p99) and
 * the gaps between reads of a stream (p50, p99), in milliseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_GAPS 4000000

struct stream {
    int fd;
    int matched; /* how much of "data: " the last bytes were */
    int ok;      /* whether [DONE] was seen: its D stands behind "data: [" */
    double sent, first, last;
};

static double *gaps;
static long gap_count, events, reads, errors;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(double *values, long count, double q) {
    if (count == 0) return 0;
    qsort(values, count, sizeof *values, by_value);
    return values[(long)((count - 1) * q)] * 1e3;
}

/* Count events across whatever cuts the reads have made. */
static void scan(struct stream *s, const char *bytes, ssize_t size) {
    static const char mark[] = "data: [DONE";
    for (ssize_t i = 0; i < size; i++) {
        if (bytes[i] == mark[s->matched]) {
            s->matched++;
            if (s->matched == 6) events++;
            if (s->matched == (int)sizeof mark - 1) {
                s->ok = 1;
                events--;
                s->matched = 0;
            }
        } else {
            s->matched = bytes[i] == mark[0];
        }
    }
}

static int dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static char *request_for(const char *path, const char *file, size_t *size) {
    static char body[1 << 20], request[(1 << 20) + 1024];
    FILE *input = fopen(file, "rb");
    if (!input) {
        perror(file);
        exit(1);
    }
    size_t length = fread(body, 1, sizeof body, input);
    fclose(input);
    int head = snprintf(request, 1024,
                        "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nConnection: close\r\n"
                        "Content-Length: %zu\r\n\r\n", path, length);
    memcpy(request + head, body, length);
    *size = head + length;
    return request;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "sse_client PORT STREAMS PATH BODY-FILE\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[2]), open_streams = count;
    size_t size;
    char *request = request_for(argv[3], argv[4], &size);
    struct stream *streams = calloc(count, sizeof *streams);
    gaps = malloc(MOST_GAPS * sizeof *gaps);
    int poll = epoll_create1(0);
    for (int i = 0; i < count; i++) streams[i].fd = dial(port);
    double begun = now();
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        streams[i].sent = now();
        if (write(streams[i].fd, request, size) != (ssize_t)size) {
            perror("write");
            return 1;
        }
        fcntl(streams[i].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(poll, EPOLL_CTL_ADD, streams[i].fd, &event);
    }
    static char buffer[1 << 18];
    struct epoll_event ready[256];
    while (open_streams > 0) {
        int n = epoll_wait(poll, ready, 256, 60000);
        if (n == 0) {
            fprintf(stderr, "nothing for 60 s\n");
            return 1;
        }
        for (int i = 0; i < n; i++) {
            struct stream *s = &streams[ready[i].data.u32];
            ssize_t got = read(s->fd, buffer, sizeof buffer);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (got <= 0) {
                if (!s->ok) errors++;
                close(s->fd);
                open_streams--;
                continue;
            }
            double at = now();
            reads++;
            if (s->first == 0) s->first = at;
            else if (gap_count < MOST_GAPS) gaps[gap_count++] = at - s->last;
            s->last = at;
            scan(s, buffer, got);
        }
    }
    double ended = now();
    double *first = malloc(count * sizeof *first);
    for (int i = 0; i < count; i++) first[i] = streams[i].first - streams[i].sent;
    printf("{\"events\": %ld, \"reads\": %ld, \"errors\": %ld, \"seconds\": %.3f, \"first_p50_ms\": %.2f, "
           "\"first_p99_ms\": %.2f, \"gap_p50_ms\": %.2f, \"gap_p99_ms\": %.2f}\n",
           events, reads, errors, ended - begun, quantile_ms(first, count, 0.5), quantile_ms(first, count, 0.99),
           quantile_ms(gaps, gap_count, 0.5), quantile_ms(gaps, gap_count, 0.99));
    return 0;
}

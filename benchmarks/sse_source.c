/* The floor: streams of events of the size of a chat chunk, written by C, one write for each event of each stream.
 *
 *   sse_source PORT STREAMS TOKENS STEP_MILLISECONDS
 *
 * Waits for STREAMS requests, whatever they say, then writes TOKENS events to each, all streams in the same step, and exits
 * with one JSON object on its output: the CPU time it has used per event, in microseconds.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double used(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "sse_source PORT STREAMS TOKENS STEP_MILLISECONDS\n");
        return 2;
    }
    int streams = atoi(argv[2]), tokens = atoi(argv[3]), step = atoi(argv[4]), one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), *fds = calloc(streams, sizeof *fds);
    static char request[1 << 16], event[300], chunk[512];
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) {
        perror("bind");
        return 1;
    }
    for (int i = 0; i < streams; i++) {
        static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        fds[i] = accept(listener, NULL, NULL);
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (read(fds[i], request, sizeof request) <= 0 || write(fds[i], head, sizeof head - 1) < 0) return 1;
    }
    int filler = 238; /* with "data: " and the empty line 246 bytes, a chat chunk with a short word */
    int length = snprintf(event, sizeof event, "data: %0*d\n\n", filler, 0);
    int size = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", length, event);
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    double before = used();
    for (int token = 0; token < tokens; token++) {
        if (step) {
            next.tv_nsec += step * 1000000L;
            next.tv_sec += next.tv_nsec / 1000000000L;
            next.tv_nsec %= 1000000000L;
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        }
        for (int i = 0; i < streams; i++)
            if (write(fds[i], chunk, size) != size) return 1;
    }
    printf("{\"microseconds_an_event\": %.2f}\n", (used() - before) * 1e6 / tokens / streams);
    for (int i = 0; i < streams; i++) {
        static const char end[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
        if (write(fds[i], end, sizeof end - 1) < 0) return 1;
        close(fds[i]);
    }
    return 0;
}

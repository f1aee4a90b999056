/* The load generator: TChannel calls over epoll, in C so that the client is never what is measured.
 *
 *     load --port PORT --request FILE [--hello FILE | --echo | --framed] --connections N --in-flight N
 *          --warm SECONDS --seconds SECONDS [--rate CALLS_PER_S] [--pid PID]
 *
 * Two ways to send. Closed: every connection keeps --in-flight calls under way, each answer is followed by the next
 * call. With --rate it is open: call n has its planned moment whether the server keeps up or not, latency counts
 * from that moment, and every planned call must be answered before the run ends, so that a stalled server cannot hide.
 *
 * --request holds a call frame; its id and span id are written anew for each call. --hello holds the init frame to
 * shake hands with. --echo says that the peer is the floor, which sends back the request itself. Every answer is
 * checked: a known id, the call's own span, a success, always the same size. --framed speaks framed Thrift instead, sent
 * as it stands in the file: answers come in the order of their calls, and each must be a reply of the same size. Prints
 * one JSON object.
 */
#define _GNU_SOURCE
#include "cpu.h"
#include "frame.h"
#include "histogram.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Offsets in a frame: header, then flags:1 ttl:4 tracing in a call, flags:1 code:1 tracing in an answer. */
enum { TYPE_AT = 2, ID_AT = 4, CALL_SPAN_AT = 21, CODE_AT = 17, ANSWER_SPAN_AT = 18 };
enum { INIT_ANSWER = 0x02, CALL = 0x03, ANSWER = 0x04 };
enum { THRIFT_REPLY = 0x80010002u, THRIFT_TYPE_AT = 4 }; /* strict binary: version and message type */

#define SECOND 1000000000ull
#define STALLED (5 * SECOND)     /* no answer for so long: the server hangs, and the run fails */
#define EVENTS 256
#define INPUT (4 * FRAME_MAX)

struct call {
    uint64_t since; /* when it was sent, or planned */
    uint32_t span;  /* the lower half of its span id; the upper is the request file's */
};

struct connection {
    int fd;
    bool blocked; /* the socket took no more: wait until it can be written */
    uint8_t *input, *output;
    size_t held, unsent_from, unsent_to;
    struct call *calls; /* by id - 1 */
    uint32_t *free_ids, free_count;
    uint32_t put, taken; /* framed: calls sent and answered so far, which pairs them */
};

static struct {
    int port, connections, in_flight, pid;
    double warm, seconds, rate;
    bool echo, framed;
    uint8_t request[FRAME_MAX], hello[FRAME_MAX];
    size_t request_size, hello_size;
} options = {.connections = 1, .in_flight = 1, .warm = 0.5, .seconds = 1};

static struct connection *connections;
static int epoll;
static uint32_t next_span;
static uint64_t sent, answered, first_planned, warm_end, measured_from, last_progress;
static size_t answer_size;
static struct histogram latencies;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void fail(const char *what, unsigned long figure) {
    fprintf(stderr, "%s (%lu), after %lu answers\n", what, figure, (unsigned long)answered);
    exit(1);
}

/* ---- sending ---- */

static void watch(struct connection *connection, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (connection->blocked ? EPOLLOUT : 0), .data.ptr = connection};
    if (epoll_ctl(epoll, operation, connection->fd, &event)) die("epoll_ctl");
}

static void put_call(struct connection *connection, uint64_t since) {
    /* Unsent calls are at most --in-flight of them and the buffer holds twice that, so that this moves rarely. */
    size_t size = options.request_size, capacity = 2 * size * options.in_flight;
    if (connection->unsent_to + size > capacity) {
        connection->unsent_to -= connection->unsent_from;
        memmove(connection->output, connection->output + connection->unsent_from, connection->unsent_to);
        connection->unsent_from = 0;
    }
    uint32_t id = connection->free_ids[--connection->free_count], span = ++next_span;
    uint8_t *frame = connection->output + connection->unsent_to;
    memcpy(frame, options.request, size);
    if (options.framed) {
        id = connection->put++ % options.in_flight + 1;
    } else {
        write_u32(frame + ID_AT, id);
        write_u32(frame + CALL_SPAN_AT + 4, span);
    }
    connection->calls[id - 1] = (struct call){since, span};
    connection->unsent_to += size;
    if (sent++ == answered) last_progress = now();
}

static void flush(struct connection *connection) {
    bool was_blocked = connection->blocked;
    connection->blocked = false;
    while (connection->unsent_from < connection->unsent_to) {
        size_t left = connection->unsent_to - connection->unsent_from;
        ssize_t written = send(connection->fd, connection->output + connection->unsent_from, left, MSG_NOSIGNAL);
        if (written < 0 && errno == EAGAIN) {
            connection->blocked = true;
            break;
        }
        if (written < 0) die("send");
        connection->unsent_from += written;
    }
    if (!connection->blocked) connection->unsent_from = connection->unsent_to = 0;
    if (connection->blocked != was_blocked) watch(connection, EPOLL_CTL_MOD);
}

/* ---- answers ---- */

static size_t whole(const uint8_t *at, size_t available) {
    return options.framed ? whole_thrift_frame(at, available) : whole_frame(at, available);
}

static void end_call(struct connection *connection, uint32_t id, size_t size, uint64_t at) {
    struct call *call = &connection->calls[id - 1];
    if (answer_size && size != answer_size) fail("an answer has another size than the first", size);
    answer_size = size;
    if (options.rate ? call->since >= warm_end : measured_from != 0)
        histogram_record(&latencies, at - call->since);
    call->since = 0;
    connection->free_ids[connection->free_count++] = id;
    answered++;
    last_progress = at;
}

static void take_reply(struct connection *connection, const uint8_t *frame, size_t size, uint64_t at) {
    if (connection->taken == connection->put) fail("an answer to no call, bytes", size);
    if (size < 12 || read_u32(frame + THRIFT_TYPE_AT) != THRIFT_REPLY)
        fail("an answer is no reply in strict binary, its first word", size < 8 ? 0 : read_u32(frame + THRIFT_TYPE_AT));
    end_call(connection, connection->taken++ % options.in_flight + 1, size, at);
}

static void take_answer(struct connection *connection, const uint8_t *frame, size_t size, uint64_t at) {
    uint32_t id = read_u32(frame + ID_AT), type = options.echo ? CALL : ANSWER;
    if (frame[TYPE_AT] != type) fail("an answer has the wrong frame type", frame[TYPE_AT]);
    if (!options.echo && frame[CODE_AT]) fail("an answer is no success, its code", frame[CODE_AT]);
    if (id - 1 >= (uint32_t)options.in_flight || !connection->calls[id - 1].since)
        fail("an answer to no call, its id", id);

    struct call *call = &connection->calls[id - 1];
    uint32_t span = read_u32(frame + (options.echo ? CALL_SPAN_AT : ANSWER_SPAN_AT) + 4);
    if (span != call->span) fail("an answer carries another call's span", span);
    end_call(connection, id, size, at);
}

static void receive(struct connection *connection) {
    uint8_t *input = connection->input;
    ssize_t got = recv(connection->fd, input + connection->held, INPUT - connection->held, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) die("recv");
    if (!got) fail("the server closed a connection, calls in flight", options.in_flight - connection->free_count);

    uint64_t at = now();
    size_t held = connection->held + got, taken = 0, size;
    while ((size = whole(input + taken, held - taken))) {
        (options.framed ? take_reply : take_answer)(connection, input + taken, size, at);
        taken += size;
        if (!options.rate) put_call(connection, at);
    }
    connection->held = held - taken;
    memmove(input, input + taken, connection->held);
    if (!options.rate) flush(connection);
}

/* ---- connecting ---- */

static void shake_hands(struct connection *connection) {
    if (send(connection->fd, options.hello, options.hello_size, 0) != (ssize_t)options.hello_size) die("hello");
    size_t held = 0, size;
    do {
        ssize_t got = recv(connection->fd, connection->input + held, INPUT - held, 0);
        if (got <= 0) fail("the server closed in the handshake, connection", connection - connections);
        held += got;
    } while (!(size = whole_frame(connection->input, held)));
    if (connection->input[TYPE_AT] != INIT_ANSWER) fail("no init answer but type", connection->input[TYPE_AT]);
    if (size != held) fail("the server sent more than an init answer, bytes", held - size);
}

static void connect_one(struct connection *connection) {
    struct sockaddr_in address = loopback(options.port);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    no_delay(connection->fd);
    connection->input = malloc(INPUT);
    connection->output = malloc(2 * options.request_size * options.in_flight);
    connection->calls = calloc(options.in_flight, sizeof *connection->calls);
    connection->free_ids = calloc(options.in_flight, sizeof *connection->free_ids);
    if (!connection->input || !connection->output || !connection->calls || !connection->free_ids) die("malloc");
    for (int id = 1; id <= options.in_flight; id++) connection->free_ids[connection->free_count++] = id;
    if (options.hello_size) shake_hands(connection);
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK)) die("fcntl");
    watch(connection, EPOLL_CTL_ADD);
}

/* ---- the run ---- */

static void fill_connections(void) {
    for (int i = 0; i < options.connections; i++) {
        while (connections[i].free_count) put_call(&connections[i], now());
        flush(&connections[i]);
    }
}

static uint64_t planned_at(uint64_t call) {
    return first_planned + (uint64_t)(call * (SECOND / options.rate));
}

/* The next connection, in turn, that may take another call; NULL when all have theirs in flight. */
static struct connection *next_free(void) {
    static int turn;
    for (int tried = 0; tried < options.connections; tried++) {
        struct connection *connection = &connections[turn++ % options.connections];
        if (connection->free_count) return connection;
    }
    return NULL;
}

/* Sends what is due and sets the timer to the next planned call. */
static void send_due(int timer, uint64_t end) {
    uint64_t due;
    for (;;) {
        struct connection *connection;
        due = planned_at(sent);
        if (due >= end || due > now() || !(connection = next_free())) break;
        put_call(connection, due);
        flush(connection);
    }
    if (due >= end || due <= now()) return; /* all sent, or an answer must make room first */
    struct itimerspec at = {.it_value = {.tv_sec = due / SECOND, .tv_nsec = due % SECOND}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL)) die("timerfd_settime");
}

static void handle(const struct epoll_event *event, int timer) {
    struct connection *connection = event->data.ptr;
    if (!connection) {
        uint64_t expirations;
        if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) die("timerfd");
        return;
    }
    if (event->events & EPOLLOUT) flush(connection);
    if (event->events & ~EPOLLOUT) receive(connection);
}

static void run(void) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event timer_event = {.events = EPOLLIN}, events[EVENTS];
    if (timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &timer_event)) die("timerfd");

    uint64_t start = now(), server_before = 0, self_before = 0, at;
    warm_end = start + (uint64_t)(options.warm * SECOND);
    uint64_t end = warm_end + (uint64_t)(options.seconds * SECOND);
    first_planned = last_progress = start;
    if (!options.rate) fill_connections();

    while ((at = now()) < end || (options.rate && answered < sent) || (options.rate && planned_at(sent) < end)) {
        if (!measured_from && at >= warm_end) {
            measured_from = at;
            server_before = cpu_spent_ns(options.pid);
            self_before = cpu_spent_ns(getpid());
        }
        if (answered < sent && at > last_progress + STALLED)
            fail("no answer for 5 seconds, calls in flight", sent - answered);
        if (options.rate) send_due(timer, end);
        int ready = epoll_wait(epoll, events, EVENTS, 10);
        for (int i = 0; i < ready; i++) handle(&events[i], timer);
    }

    double seconds = (double)(at - measured_from) / SECOND, calls = latencies.count ? latencies.count : 1;
    printf("{\"calls\": %lu, \"seconds\": %.3f, \"calls_per_s\": %.0f, \"answer_size\": %zu, ",
           (unsigned long)latencies.count, seconds, latencies.count / seconds, answer_size);
    printf("\"server_us\": %.3f, \"load_us\": %.3f, ", (cpu_spent_ns(options.pid) - server_before) / calls / 1000,
           (cpu_spent_ns(getpid()) - self_before) / calls / 1000);
    printf("\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
           histogram_quantile_us(&latencies, 0.5), histogram_quantile_us(&latencies, 0.9),
           histogram_quantile_us(&latencies, 0.99), histogram_quantile_us(&latencies, 0.999));
}

/* ---- options ---- */

static size_t read_file(const char *path, uint8_t *into) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    size_t size = fread(into, 1, FRAME_MAX, file);
    fclose(file);
    if (whole(into, size) != size) fail("not exactly one frame in the file, bytes", size);
    return size;
}

static void read_options(int count, char **arguments) {
    static const struct option known[] = {
        {"port", 1, 0, 'p'},    {"request", 1, 0, 'f'},   {"hello", 1, 0, 'h'}, {"echo", 0, 0, 'e'},
        {"warm", 1, 0, 'w'},    {"connections", 1, 0, 'c'}, {"in-flight", 1, 0, 'm'}, {"seconds", 1, 0, 's'},
        {"rate", 1, 0, 'r'},    {"pid", 1, 0, 'P'},       {"framed", 0, 0, 't'}, {0, 0, 0, 0},
    };
    const char *request = NULL;
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'f': request = optarg; break;
        case 'h': options.hello_size = read_file(optarg, options.hello); break;
        case 'e': options.echo = true; break;
        case 't': options.framed = true; break;
        case 'c': options.connections = atoi(optarg); break;
        case 'm': options.in_flight = atoi(optarg); break;
        case 'w': options.warm = atof(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'r': options.rate = atof(optarg); break;
        case 'P': options.pid = atoi(optarg); break;
        default: exit(2);
    }
    if (request) options.request_size = read_file(request, options.request); /* how to read it is known by now */
    if (!options.port || options.request_size < (options.framed ? 16 : 46) || options.connections < 1 || options.in_flight < 1) {
        fprintf(stderr, "load needs --port, --request with a call frame, and at least one connection and call\n");
        exit(2);
    }
}

int main(int count, char **arguments) {
    read_options(count, arguments);
    epoll = epoll_create1(0);
    connections = calloc(options.connections, sizeof *connections);
    if (!connections || epoll < 0) die("start");
    for (int i = 0; i < options.connections; i++) connect_one(&connections[i]);
    run();
}

/* The floor: an epoll server on loopback that sends every whole frame back and does nothing else.
 *
 * What it costs per call is what any server in any language pays for the kernel's part (wake up, read, write), so that
 * a server's CPU divided by this one's says how much is its own doing, on a fast machine and on a slow one.
 *
 *     floor        listens on a free port, prints {"port": N} and serves until it is killed
 */
#define _GNU_SOURCE
#include "frame.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 256              /* per wake-up; more connections than that are served in the next one */
#define BUFFER (4 * FRAME_MAX)  /* as much as a socket gives at once, and any frame fits */

struct connection {
    int fd;
    size_t held; /* bytes in the buffer that do not yet make a whole frame */
    uint8_t buffer[BUFFER];
};

static int listen_anywhere(int *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) || listen(fd, 1024)) die("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &length)) die("getsockname");
    *port = ntohs(address.sin_port);
    return fd;
}

static void watch(int epoll, int fd, struct connection *connection) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static void accept_one(int epoll, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    no_delay(fd);
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) die("calloc");
    connection->fd = fd;
    watch(epoll, fd, connection);
}

static void drop(struct connection *connection) {
    close(connection->fd);
    free(connection);
}

/* The load generator always reads, so a full socket empties soon: spinning is simpler than waiting, and rare. */
static int send_all(int fd, const uint8_t *bytes, size_t length) {
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return -1;
        if (sent > 0) bytes += sent, length -= sent;
    }
    return 0;
}

static void echo(struct connection *connection) {
    uint8_t *buffer = connection->buffer;
    ssize_t got = recv(connection->fd, buffer + connection->held, BUFFER - connection->held, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return drop(connection);

    size_t held = connection->held + got, whole = 0, size;
    while ((size = whole_frame(buffer + whole, held - whole))) whole += size;
    if (send_all(connection->fd, buffer, whole)) return drop(connection);
    connection->held = held - whole;
    memmove(buffer, buffer + whole, connection->held);
}

int main(void) {
    int port, listener = listen_anywhere(&port), epoll = epoll_create1(0);
    watch(epoll, listener, NULL);
    printf("{\"port\": %d}\n", port);
    fflush(stdout);

    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection) echo(connection);
            else accept_one(epoll, listener);
        }
    }
}

/* What floor and load generator know of frames: TChannel's 2 bytes of length that count themselves, big-endian. */
#ifndef FRAME_H
#define FRAME_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define FRAME_HEADER 16    /* a frame is never shorter */
#define FRAME_MAX 65535    /* what 2 bytes of length can say */

static inline void die(const char *what) {
    perror(what);
    exit(2);
}

static inline uint32_t read_u16(const uint8_t *at) {
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t read_u32(const uint8_t *at) {
    return read_u16(at) << 16 | read_u16(at + 2);
}

static inline void write_u32(uint8_t *at, uint32_t value) {
    at[0] = value >> 24;
    at[1] = value >> 16;
    at[2] = value >> 8;
    at[3] = value;
}

/* The size of the frame at `at` when all of it is there, 0 while it is not. */
static inline size_t whole_frame(const uint8_t *at, size_t available) {
    if (available < 2) return 0;
    size_t size = read_u16(at);
    if (size < FRAME_HEADER) {
        fprintf(stderr, "a frame says that it has %zu bytes\n", size);
        exit(2);
    }
    return size <= available ? size : 0;
}

/* The same for framed Thrift: 4 bytes of length that do not count themselves. */
static inline size_t whole_thrift_frame(const uint8_t *at, size_t available) {
    if (available < 4) return 0;
    size_t size = read_u32(at) + 4;
    if (size > FRAME_MAX) {
        fprintf(stderr, "a Thrift frame says that it has %zu bytes\n", size);
        exit(2);
    }
    return size <= available ? size : 0;
}

static inline void no_delay(int fd) {
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) die("TCP_NODELAY");
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

#endif

/* Large HTTP bodies, as fast as the server takes them, several at once.
 *
 *     bodies PORT FILL TAIL HEAD...
 *
 * One connection per HEAD: the file of that name is sent as it is (request line, fields, and how the body begins), then
 * FILL zero bytes, then the file TAIL, whose content ends the body. One line of JSON tells the seconds from the first
 * byte to the last answer, and every answer's status.
 */

#include "load.h"

#include <poll.h>

enum { STREAMS = 64, PIECE = 1 << 20, HEAD_BYTES = 4096, ANSWER_BYTES = 4096 };

struct stream {
    char head[HEAD_BYTES];
    size_t head_length, sent, answered;
    char answer[ANSWER_BYTES];
    bool done;
};

static struct stream streams[STREAMS];
static struct pollfd files[STREAMS];
static char zeros[PIECE], tail[HEAD_BYTES];
static size_t fill, tail_length;

static size_t read_file(const char *path, char *into) {
    FILE *file = fopen(path, "r");
    if (!file) die("%s: %s", path, strerror(errno));
    size_t length = fread(into, 1, HEAD_BYTES, file);
    fclose(file);
    return length;
}

/* What comes next of head, zeros and tail, and how many bytes of it lie in one piece. */
static const char *next_bytes(const struct stream *stream, size_t *length) {
    size_t at = stream->sent;
    if (at < stream->head_length) {
        *length = stream->head_length - at;
        return stream->head + at;
    }
    at -= stream->head_length;
    if (at < fill) {
        *length = fill - at < PIECE ? fill - at : PIECE;
        return zeros;
    }
    at -= fill;
    *length = tail_length - at;
    return tail + at;
}

static void send_more(int number) {
    struct stream *stream = &streams[number];
    size_t length;
    const char *data = next_bytes(stream, &length);
    ssize_t count = send(files[number].fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) die("the server takes no more: %s", strerror(errno));
    if (count > 0) stream->sent += count;
    if (stream->sent == stream->head_length + fill + tail_length) files[number].events = POLLIN;
}

static void read_answer(int number) {
    struct stream *stream = &streams[number];
    ssize_t count = recv(files[number].fd, stream->answer + stream->answered, ANSWER_BYTES - 1 - stream->answered, 0);
    if (count <= 0) die("no answer");
    stream->answered += count;
    if (memmem(stream->answer, stream->answered, "\r\n\r\n", 4)) {
        stream->done = true;
        files[number].fd = -1; /* poll passes it over */
    }
}

int main(int argc, char **argv) {
    int count = argc - 4, left = count;
    if (count < 1 || count > STREAMS) die("PORT FILL TAIL HEAD...");
    fill = strtoull(argv[2], NULL, 10);
    tail_length = read_file(argv[3], tail);
    for (int i = 0; i < count; i++) {
        streams[i].head_length = read_file(argv[4 + i], streams[i].head);
        files[i] = (struct pollfd){.fd = new_socket(SOCK_STREAM), .events = POLLIN | POLLOUT};
        connect_to(files[i].fd, atoi(argv[1]));
    }
    double began = now();
    while (left) {
        if (poll(files, count, -1) < 0) die("poll: %s", strerror(errno));
        for (int i = 0; i < count; i++) {
            if (streams[i].done) continue;
            if (files[i].revents & POLLOUT) send_more(i);
            if (files[i].revents & (POLLIN | POLLHUP | POLLERR)) read_answer(i);
            left -= streams[i].done;
        }
    }
    printf("{\"seconds\": %.6f, \"statuses\": [", now() - began);
    for (int i = 0; i < count; i++) printf("%s%d", i ? ", " : "", atoi(streams[i].answer + 9));
    puts("]}");
}

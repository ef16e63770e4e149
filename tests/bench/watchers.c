/* Watchers by the thousand: Socket.IO 5 clients over Engine.IO 4, in one process with one epoll.
 *
 *     watchers PORT websocket|browser|polling [ROOMS]
 *
 * ROOMS is a file with an upload's id per line; client n joins the room in line n. Without it, clients only connect.
 * A WebSocket client offers permessage-deflate as browsers do, and is refused when the server accepts: nobody here
 * could inflate; `browser` is `websocket` with all the other headers that a browser's handshake has. A polling client speaks over one kept connection, and takes answers as they are (no gzip).
 *
 * Commands on stdin, each answered by one line of JSON on stdout:
 *
 *     connect COUNT AT_ONCE        open COUNT more clients, AT_ONCE at a time       {"seconds"} until the last is in
 *     stall COUNT                  the COUNT latest clients read nothing any more   {}
 *     count                        forget what was counted                          {}
 *     await MESSAGES MILLISECONDS  until so many came, or so much time passed       see answer_counts
 *     leave                        all connections end, without a goodbye           {}
 *
 * A message is an `upload-progress`. Its latency is from its `eta`, which the server sets to its monotonic clock in
 * seconds (one machine, one clock), to the moment in which it was read.
 */

#include "load.h"

#include <sys/epoll.h>
#include <sys/resource.h>

enum { CLIENTS = 16384, READ_BYTES = 1 << 18, LATENCIES = 1 << 22, SAID_BYTES = 256, SID_BYTES = 64 };

struct client {
    int fd;
    int number;
    bool upgraded; /* the WebSocket handshake is over */
    bool ready;    /* connected and, if there are rooms, in its room */
    bool stalled;
    char sid[SID_BYTES];     /* polling: the session */
    char said[SAID_BYTES];   /* polling: packets that wait for the next POST */
    char *kept;              /* bytes of an incomplete frame or answer */
    size_t kept_length;
    uint64_t messages;
};

enum waiting { NOTHING, CONNECTED, MESSAGES };

static struct client clients[CLIENTS];
static int opened, ready, wanted, at_once, lost;
static int epoll, port;
static bool polling, browser;
static char (*rooms)[64];
static int room_count;
static enum waiting waiting;
static double began, deadline, counting_since, last_message;
static uint64_t messages, awaited, bytes;
static float *latencies;
static size_t latency_count;
static char buffer[READ_BYTES];

static void send_all(struct client *client, const char *data, size_t length) {
    /* What a client sends is far smaller than an empty socket buffer. */
    if (send(client->fd, data, length, MSG_NOSIGNAL) != (ssize_t)length) die("cannot send: %s", strerror(errno));
}

/* --- What a client says ------------------------------------------------------------------------------------------ */

static void send_frame(struct client *client, const char *text) {
    size_t length = strlen(text);
    if (length > 125) die("too long to say: %s", text);
    char frame[6 + 125] = {(char)0x81, (char)(0x80 | length), 0, 0, 0, 0}; /* masked with zeros */
    memcpy(frame + 6, text, length);
    send_all(client, frame, 6 + length);
}

static void say(struct client *client, const char *packet) {
    if (!polling) {
        send_frame(client, packet);
        return;
    }
    size_t length = strlen(client->said);
    if (length + strlen(packet) + 2 > SAID_BYTES) die("too much to say");
    sprintf(client->said + length, "%s%s", length ? "\x1e" : "", packet);
}

static void poll_again(struct client *client) {
    char request[SAID_BYTES + 512];
    char session[SID_BYTES + 8] = "";
    if (*client->sid) sprintf(session, "&sid=%s", client->sid);
    const char *line = "/socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n";
    int length = sprintf(request, *client->said ? "POST " : "GET ");
    length += sprintf(request + length, line, session, port);
    if (*client->said) {
        const char *head = "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n%s";
        length += sprintf(request + length, head, strlen(client->said), client->said);
        *client->said = 0;
    } else {
        length += sprintf(request + length, "\r\n");
    }
    send_all(client, request, length);
}

static const char BROWSER[] =
    "Pragma: no-cache\r\nCache-Control: no-cache\r\nOrigin: http://127.0.0.1:%d\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=%%7B%%22analytics%%22%%3Afalse%%7D\r\n";

static void greet(struct client *client) {
    if (polling) {
        poll_again(client);
        return;
    }
    char request[2048], more[1024] = "";
    if (browser) sprintf(more, BROWSER, port);
    int length = sprintf(request,
                         "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                         "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                         "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n%s\r\n",
                         port, more);
    send_all(client, request, length);
}

/* --- What a client hears ----------------------------------------------------------------------------------------- */

static void become_ready(struct client *client) {
    if (client->ready) return;
    client->ready = true;
    ready++;
}

static void hear_event(struct client *client, const char *packet, size_t length, double at) {
    static const char head[] = "42[\"upload-progress\",";
    if (length < sizeof head || memcmp(packet, head, sizeof head - 1)) return;
    client->messages++;
    messages++;
    bytes += length;
    last_message = at;
    const char *stamp = memmem(packet, length, "\"eta\":", 6);
    if (!stamp || latency_count == LATENCIES) return;
    double sent = strtod(stamp + 6, NULL);
    if (sent > 0) latencies[latency_count++] = (float)(at - sent);
}

static void join(struct client *client) {
    char call[128];
    if (client->number >= room_count) die("no room for client %d", client->number);
    sprintf(call, "420[\"join-upload\",\"%s\"]", rooms[client->number]);
    say(client, call);
}

/* One Engine.IO packet. What follows it in memory can be read and is not part of it. */
static void hear(struct client *client, const char *packet, size_t length, double at) {
    char type = length > 1 && packet[0] == '4' ? packet[1] : 0;
    if (type == '2') {
        hear_event(client, packet, length, at);
    } else if (type == '3') {
        if (!memmem(packet, length, "\"ok\":true", 9)) die("cannot join: %.*s", (int)length, packet);
        become_ready(client);
    } else if (type == '0') {
        if (rooms) join(client);
        else become_ready(client);
    } else if (type) {
        die("unexpected: %.*s", (int)length, packet);
    } else if (length && packet[0] == '0') {
        const char *sid = memmem(packet, length, "\"sid\":\"", 7);
        if (!sid || sscanf(sid + 7, "%63[^\"]", client->sid) != 1) die("no session: %.*s", (int)length, packet);
        say(client, "40");
    } else if (length && packet[0] == '2') {
        say(client, "3");
    }
}

/* Each of these takes one unit from the front of `data` and returns its length, or 0 while it is incomplete. */

static size_t take_frame(struct client *client, char *data, size_t length, double at) {
    if (length < 2) return 0;
    const uint8_t *head = (const uint8_t *)data;
    size_t size = head[1] & 0x7f, start = 2;
    if (head[0] & 0x70) die("a compressed frame, although that was refused");
    if (size == 126) {
        start = 4;
        if (length < start) return 0;
        size = head[2] << 8 | head[3];
    } else if (size == 127) {
        die("a frame of more than 64 KiB");
    }
    if (length < start + size) return 0;
    if ((head[0] & 0x0f) == 1) hear(client, data + start, size, at);
    return start + size;
}

static size_t take_handshake(struct client *client, char *data, size_t length) {
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    if (strncmp(data, "HTTP/1.1 101", 12)) die("no WebSocket: %s", data);
    if (strcasestr(data, "sec-websocket-extensions")) die("the server compresses: %s", data);
    client->upgraded = true;
    return end + 4 - data;
}

static size_t take_answer(struct client *client, char *data, size_t length, double at) {
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *field = strcasestr(data, "content-length:");
    if (strncmp(data, "HTTP/1.1 200", 12) || !field) die("polling failed: %s", data);
    size_t start = end + 4 - data, size = strtoul(field + 15, NULL, 10);
    *end = '\r';
    if (length < start + size) return 0;
    char *packet = data + start, *limit = packet + size;
    while (packet < limit) {
        char *next = memchr(packet, 0x1e, limit - packet);
        if (!next) next = limit;
        hear(client, packet, next - packet, at);
        packet = next + 1;
    }
    poll_again(client);
    return start + size;
}

static size_t take(struct client *client, char *data, size_t length, double at) {
    if (polling) return take_answer(client, data, length, at);
    return client->upgraded ? take_frame(client, data, length, at) : take_handshake(client, data, length);
}

static void leave(struct client *client) {
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    free(client->kept);
    client->kept = NULL;
    client->kept_length = 0;
}

static void read_from(struct client *client) {
    memcpy(buffer, client->kept, client->kept_length);
    ssize_t count = recv(client->fd, buffer + client->kept_length, READ_BYTES - client->kept_length, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        if (!client->ready) die("the server hung up on client %d", client->number);
        lost++;
        leave(client);
        return;
    }
    double at = now();
    size_t length = client->kept_length + count, taken = 0, unit;
    while ((unit = take(client, buffer + taken, length - taken, at))) taken += unit;
    client->kept_length = length - taken;
    if (client->kept_length == READ_BYTES) die("an answer larger than %d bytes", READ_BYTES);
    if (client->kept_length) {
        client->kept = realloc(client->kept, client->kept_length);
        memcpy(client->kept, buffer + taken, client->kept_length);
    }
}

/* --- Commands ---------------------------------------------------------------------------------------------------- */

static void listen_to(struct client *client, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(epoll, how, client->fd, &event)) die("epoll: %s", strerror(errno));
}

static void open_next(void) {
    struct client *client = &clients[opened];
    int yes = 1, window = 64 * 1024; /* what a client that stalls leaves to the kernel to keep */
    *client = (struct client){.number = opened++};
    client->fd = new_socket(SOCK_STREAM | SOCK_NONBLOCK);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    connect_to(client->fd, port);
    listen_to(client, EPOLLOUT, EPOLL_CTL_ADD);
}

static int by_size(const void *left, const void *right) {
    float difference = *(const float *)left - *(const float *)right;
    return (difference > 0) - (difference < 0);
}

static double percentile(double share) {
    return latency_count ? latencies[(size_t)((latency_count - 1) * share)] * 1000 : 0;
}

/* Messages and bytes in all, and the least and the most that one client that reads has heard; milliseconds of latency;
 * seconds from `count` to the last message; connections that the server ended. */
static void answer_counts(void) {
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < opened; i++) {
        if (clients[i].stalled) continue;
        if (clients[i].messages < least) least = clients[i].messages;
        if (clients[i].messages > most) most = clients[i].messages;
    }
    qsort(latencies, latency_count, sizeof *latencies, by_size);
    printf("{\"messages\": %lu, \"bytes\": %lu, \"least\": %lu, \"most\": %lu, \"lost\": %d, \"seconds\": %.6f,"
           " \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"latencies\": %zu}\n",
           messages, bytes, least, most, lost, last_message - counting_since, percentile(0.5), percentile(0.99),
           latency_count);
}

static void count(void) {
    for (int i = 0; i < opened; i++) clients[i].messages = 0;
    messages = bytes = latency_count = 0;
    counting_since = last_message = now();
}

static void stall(int how_many) {
    for (int i = opened - how_many; i < opened; i++) {
        clients[i].stalled = true;
        listen_to(&clients[i], 0, EPOLL_CTL_MOD);
    }
}

static void leave_all(void) {
    for (int i = 0; i < opened; i++) leave(&clients[i]);
    opened = ready = wanted = 0;
}

static void obey(const char *line) {
    unsigned long first = 0, second = 0;
    char verb[16] = "";
    sscanf(line, "%15s %lu %lu", verb, &first, &second);
    if (!strcmp(verb, "connect")) {
        if (wanted + first > CLIENTS) die("too many clients");
        wanted += (int)first;
        at_once = (int)second;
        began = now();
        waiting = CONNECTED;
    } else if (!strcmp(verb, "await")) {
        awaited = first;
        deadline = now() + second / 1000.0;
        waiting = MESSAGES;
    } else {
        if (!strcmp(verb, "stall")) stall((int)first);
        else if (!strcmp(verb, "count")) count();
        else if (!strcmp(verb, "leave")) leave_all();
        else die("no such command: %s", line);
        puts("{}");
    }
}

static void go_on(void) {
    while (opened < wanted && opened - ready < at_once) open_next();
    if (waiting == CONNECTED && ready == wanted) {
        waiting = NOTHING;
        printf("{\"seconds\": %.6f}\n", now() - began);
    } else if (waiting == MESSAGES && (messages >= awaited || now() > deadline)) {
        waiting = NOTHING;
        answer_counts();
    }
    fflush(stdout);
}

static void read_rooms(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) die("%s: %s", path, strerror(errno));
    rooms = calloc(CLIENTS, sizeof *rooms);
    while (room_count < CLIENTS && fscanf(file, "%63s", rooms[room_count]) == 1) room_count++;
    fclose(file);
}

int main(int argc, char **argv) {
    if (argc < 3) die("PORT websocket|browser|polling [ROOMS]");
    port = atoi(argv[1]);
    polling = !strcmp(argv[2], "polling");
    browser = !strcmp(argv[2], "browser");
    if (argc > 3) read_rooms(argv[3]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    latencies = malloc(LATENCIES * sizeof *latencies);
    epoll = epoll_create1(0);
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL}, events[512];
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
    for (;;) {
        int count = epoll_wait(epoll, events, 512, waiting == MESSAGES ? 20 : -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            char line[128];
            if (!client) {
                ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);
                if (length <= 0) return 0;
                line[length] = 0;
                obey(line);
            } else if (client->fd >= 0 && events[i].events & EPOLLOUT) {
                listen_to(client, EPOLLIN, EPOLL_CTL_MOD);
                greet(client);
            } else if (client->fd >= 0) {
                read_from(client);
            }
        }
        go_on();
    }
}

#pragma once

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

// One message on a SEQPACKET socket with descriptors beside it (unix(7), SCM_RIGHTS). Negative ones are left out when
// sent, so who sends several of which some may be missing says in the message which.

enum { descriptor_maximum = 32 };

static inline ssize_t send_with_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, int count) {
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(descriptor_maximum * sizeof(int))];
    } ancillary = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int present[descriptor_maximum], number = 0;
    for (int i = 0; i < count && number < descriptor_maximum; i++) {
        if (descriptors[i] >= 0) present[number++] = descriptors[i];
    }
    if (number > 0) {
        message.msg_control = ancillary.space;
        message.msg_controllen = CMSG_SPACE((size_t)number * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN((size_t)number * sizeof(int));
        memcpy(CMSG_DATA(rights), present, (size_t)number * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Fills `descriptors` with -1 where there is none. The length, 0 at the end, -1 with errno; EMSGSIZE when it was longer.
// `sender` (may be NULL) becomes the sending process, by the numbers of the receiver, where the socket has SO_PASSCRED.
static inline ssize_t receive_from(
    int socket, void *bytes, size_t length, int *descriptors, int count, pid_t *sender) {
    struct iovec part = {.iov_base = bytes, .iov_len = length};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(descriptor_maximum * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } ancillary = {0};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = ancillary.space,
        .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int)) + (sender ? CMSG_SPACE(sizeof(struct ucred)) : 0),
    };
    for (int i = 0; i < count; i++) descriptors[i] = -1;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT | MSG_TRUNC);
    if (received < 0) return -1;
    for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level != SOL_SOCKET) continue;
        if (one->cmsg_type == SCM_RIGHTS) {
            size_t found = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(descriptors, CMSG_DATA(one), (found < (size_t)count ? found : (size_t)count) * sizeof(int));
        } else if (one->cmsg_type == SCM_CREDENTIALS && sender) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(one), sizeof who);
            *sender = who.pid;
        }
    }
    return received;
}

static inline ssize_t receive_with_descriptors(int socket, void *bytes, size_t length, int *descriptors, int count) {
    return receive_from(socket, bytes, length, descriptors, count, NULL);
}

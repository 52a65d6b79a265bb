#define _GNU_SOURCE
#include "confinement.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "system_calls.h"

static struct sock_filter filters[weir_filter_count][weir_filter_bytes / sizeof(struct sock_filter)];
static uint32_t filter_lengths[weir_filter_count];

int filters_setup(const uint32_t bytes[weir_filter_count], const char *programs) {
    for (int i = 0; i < weir_filter_count; i++) {
        if (bytes[i] > sizeof filters[i] || bytes[i] % sizeof(struct sock_filter) != 0) return EINVAL;
        memcpy(filters[i], programs, bytes[i]);
        filter_lengths[i] = bytes[i] / sizeof(struct sock_filter);
        programs += bytes[i];
    }
    return 0;
}

const void *filter_program(uint32_t number, uint32_t *bytes) {
    if (number == 0 || number > weir_filter_count) return NULL;
    *bytes = (uint32_t)(filter_lengths[number - 1] * sizeof(struct sock_filter));
    return filters[number - 1];
}

int raise_loopback(void) {
    int socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return errno;
    struct ifreq request = {.ifr_name = "lo"};
    int error = 0;
    if (ioctl(socket_, SIOCGIFFLAGS, &request) < 0) error = errno;
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    if (!error && ioctl(socket_, SIOCSIFFLAGS, &request) < 0) error = errno;
    close(socket_);
    return error;
}

static int fail(struct failure *failure, enum weir_stage stage, int detail) {
    *failure = (struct failure){errno, stage, detail};
    return -1;
}

int drop_privileges(const struct weir_start *start, struct failure *failure) {
    int keeps = start->head.flags & weir_start_broad;
    if ((start->head.flags & weir_start_confined) && !keeps) {
        // Refused to who has no capability at all, and then there is nothing to bound.
        for (int number = 0; prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0; number++) {}
    }
    if (start->head.flags & weir_start_ids) {
        // The plain calls: the C library's wrappers first look for other threads.
        if (syscall(SYS_setgroups, 0, NULL) < 0
            || syscall(SYS_setresgid, start->gid, start->gid, start->gid) < 0
            || (keeps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
            || syscall(SYS_setresuid, start->uid, start->uid, start->uid) < 0)
            return fail(failure, weir_stage_identity, 0);
    }
    if (!(start->head.flags & weir_start_confined)) return 0;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}, {0}};
    if (keeps) {
        if (syscall(SYS_capget, &header, sets) < 0) return fail(failure, weir_stage_identity, 1);
        for (int i = 0; i < 2; i++) sets[i].effective = sets[i].inheritable = sets[i].permitted;
    }
    if (syscall(SYS_capset, &header, sets) < 0) return fail(failure, weir_stage_identity, 2);
    // The ambient set outlives exec.
    for (int number = 0; keeps && number < 64; number++) {
        if (sets[number / 32].permitted & (1u << (number % 32)))
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail(failure, weir_stage_identity, 3);
    return 0;
}

// As of <linux/landlock.h>, whose older versions lack the later fields.
struct landlock_sets {
    uint64_t files, network, scopes;
};
struct landlock_path {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed));

int weir_landlock_version(void) {
    long version = syscall(sys_landlock_create_ruleset, NULL, 0, 1);
    return version < 0 ? 0 : (int)version;
}

int landlock_rules(const struct weir_start *start, const struct entry_strings *strings, struct failure *failure) {
    if (!(start->head.flags & weir_start_landlock)) return -1;
    // Rights that hold for files as well as for folders: execute, write, read, truncate, ioctl on devices.
    const uint64_t of_files = 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15;
    struct landlock_sets sets = {start->landlock_files, start->landlock_network, start->landlock_scopes};
    // An older kernel takes a shorter struct; a field that it does not know must not be there.
    size_t size = sets.scopes ? sizeof sets : sets.network ? 16 : 8;
    int rules = (int)syscall(sys_landlock_create_ruleset, &sets, size, 0);
    if (rules < 0) return fail(failure, weir_stage_landlock, (int)start->entry_count) - 1;
    for (uint32_t i = 0; i < start->entry_count; i++) {
        const struct weir_entry *entry = &start->entries[i];
        if (entry->kind != weir_entry_allow) continue;
        int place = open(strings->target[i], O_PATH | O_CLOEXEC);
        if (place < 0 && errno == ENOENT && (entry->flags & weir_mount_optional)) continue;
        struct stat status;
        if (place < 0 || fstat(place, &status) < 0) return fail(failure, weir_stage_landlock, (int)i) - 1;
        struct landlock_path rule = {S_ISDIR(status.st_mode) ? entry->size : entry->size & of_files, place};
        if (syscall(sys_landlock_add_rule, rules, 1, &rule, 0) < 0) return fail(failure, weir_stage_landlock, (int)i) - 1;
        close(place);
    }
    return rules;
}

int confine(const struct weir_start *start, const struct entry_strings *strings, struct failure *failure) {
    int rules = landlock_rules(start, strings, failure);
    if (rules == -2) return -1;
    if (rules >= 0) {
        if (syscall(sys_landlock_restrict_self, rules, 0) < 0)
            return fail(failure, weir_stage_landlock, (int)start->entry_count);
        close(rules);
    }
    if (start->filter == 0) return 0;
    uint32_t index = start->filter - 1;
    struct sock_fprog program = {(unsigned short)filter_lengths[index], filters[index]};
    if (program.len == 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return fail(failure, weir_stage_filter, 0);
    return 0;
}

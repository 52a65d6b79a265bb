#define _GNU_SOURCE
#include "process_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "folder_entries.h"

enum { tree_maximum = 4096 };

// Appends the children of one thread.
static int add_children(pid_t pid, const char *thread, pid_t *found, int count) {
    char path[96], text[8192];
    snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)pid, thread);
    int list = open(path, O_RDONLY | O_CLOEXEC);
    if (list < 0) return count;
    ssize_t length = read(list, text, sizeof text - 1);
    close(list);
    if (length <= 0) return count;
    text[length] = 0;
    char *next = text;
    while (count < tree_maximum) {
        char *end;
        pid_t child = (pid_t)strtol(next, &end, 10);
        if (end == next) break;
        found[count++] = child;
        next = end;
    }
    return count;
}

void signal_tree(pid_t root, int with_root, int number) {
    static pid_t found[tree_maximum];
    int count = 0;
    found[count++] = root;
    if (with_root) kill(root, number);
    for (int i = 0; i < count; i++) {
        char path[64], entries[4096];
        snprintf(path, sizeof path, "/proc/%d/task", (int)found[i]);
        int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0) continue;
        int known = count;
        for (long length; (length = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0;) {
            for (long at = 0; at < length;) {
                const struct folder_entry *entry = (const struct folder_entry *)(entries + at);
                if (entry->name[0] != '.') count = add_children(found[i], entry->name, found, count);
                at += entry->length;
            }
        }
        close(folder);
        for (int k = known; k < count; k++) kill(found[k], number);
    }
}

#pragma once

#include <stddef.h>
#include <string.h>

// The strings behind a request, one after the other. They end with NUL (checked when the request comes in), so that
// nothing reads beyond them; what is missing reads as empty and makes `is_used_up` false.
struct request_strings {
    const char *next;
    size_t left;
};

static inline const char *next_string(struct request_strings *strings) {
    if (strings->next == NULL || strings->left == 0) {
        strings->next = NULL;
        return "";
    }
    const char *found = strings->next;
    size_t length = strnlen(found, strings->left) + 1;
    if (length > strings->left) {
        strings->next = NULL;
        return "";
    }
    strings->next += length;
    strings->left -= length;
    return found;
}

static inline int is_used_up(const struct request_strings *strings) {
    return strings->next != NULL && strings->left == 0;
}

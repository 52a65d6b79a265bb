#pragma once
#include <errno.h>
#include <string.h>
#include <librdkafka/rdkafka.h>
/* The brokers in the client's own process, for tests. */
#include <librdkafka/rdkafka_mock.h>

/* rd_kafka_producev is variadic, which Swift does not see, and the arguments of rd_kafka_produceva are a union of
 * unions. Key and value are copied; `headers` belong to librdkafka after a success and to the caller after a failure. */
static inline rd_kafka_resp_err_t weir_kafka_produce(
    rd_kafka_t *client, rd_kafka_topic_t *topic, int32_t partition, const void *key, size_t key_size,
    const void *value, size_t value_size, rd_kafka_headers_t *headers, int64_t timestamp, void *opaque) {
    rd_kafka_vu_t arguments[8];
    size_t count = 0;
    rd_kafka_error_t *error;
    rd_kafka_resp_err_t code;

    arguments[count].vtype = RD_KAFKA_VTYPE_RKT;
    arguments[count++].u.rkt = topic;
    arguments[count].vtype = RD_KAFKA_VTYPE_PARTITION;
    arguments[count++].u.i32 = partition;
    arguments[count].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    arguments[count++].u.i = RD_KAFKA_MSG_F_COPY;
    arguments[count].vtype = RD_KAFKA_VTYPE_OPAQUE;
    arguments[count++].u.ptr = opaque;
    if (key) {
        arguments[count].vtype = RD_KAFKA_VTYPE_KEY;
        arguments[count].u.mem.ptr = (void *)key;
        arguments[count++].u.mem.size = key_size;
    }
    if (value) {
        arguments[count].vtype = RD_KAFKA_VTYPE_VALUE;
        arguments[count].u.mem.ptr = (void *)value;
        arguments[count++].u.mem.size = value_size;
    }
    if (headers) {
        arguments[count].vtype = RD_KAFKA_VTYPE_HEADERS;
        arguments[count++].u.headers = headers;
    }
    if (timestamp > 0) {
        arguments[count].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
        arguments[count++].u.i64 = timestamp;
    }
    error = rd_kafka_produceva(client, arguments, count);
    if (!error) return RD_KAFKA_RESP_ERR_NO_ERROR;
    code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

/* Takes the code and the text out of an error object and frees it; 0 when there is none. */
static inline rd_kafka_resp_err_t weir_kafka_take_error(rd_kafka_error_t *error, char *text, size_t size) {
    rd_kafka_resp_err_t code;
    if (!error) return RD_KAFKA_RESP_ERR_NO_ERROR;
    code = rd_kafka_error_code(error);
    strncpy(text, rd_kafka_error_string(error), size - 1);
    text[size - 1] = 0;
    rd_kafka_error_destroy(error);
    return code;
}

/* An element of a list; Swift sees the array as a pointer to the first only by arithmetic. */
static inline rd_kafka_topic_partition_t *weir_kafka_element(const rd_kafka_topic_partition_list_t *list, int index) {
    return &list->elems[index];
}

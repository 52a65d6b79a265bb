#include "CRuntimes.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char python_runner_py[] = {
#embed "Assets/python/runner.py"
};

static const unsigned char python_weir_runner__init__py[] = {
#embed "Assets/python/weir_runner/__init__.py"
};

static const unsigned char python_weir_runner_answers_py[] = {
#embed "Assets/python/weir_runner/answers.py"
};

static const unsigned char python_weir_runner_events_py[] = {
#embed "Assets/python/weir_runner/events.py"
};

static const unsigned char python_weir_runner_jsontext_py[] = {
#embed "Assets/python/weir_runner/jsontext.py"
};

static const unsigned char python_weir_runner_loading_py[] = {
#embed "Assets/python/weir_runner/loading.py"
};

static const unsigned char python_weir_runner_logs_py[] = {
#embed "Assets/python/weir_runner/logs.py"
};

static const unsigned char python_weir_runner_overlapping_py[] = {
#embed "Assets/python/weir_runner/overlapping.py"
};

static const unsigned char python_weir_runner_serving_py[] = {
#embed "Assets/python/weir_runner/serving.py"
};

static const unsigned char python_weir_runner_stem_py[] = {
#embed "Assets/python/weir_runner/stem.py"
};

static const unsigned char python_weir_runner_wire_py[] = {
#embed "Assets/python/weir_runner/wire.py"
};

static const struct weir_runtime_file files[] = {
    {"python/runner.py", python_runner_py, sizeof python_runner_py},
    {"python/weir_runner/__init__.py", python_weir_runner__init__py, sizeof python_weir_runner__init__py},
    {"python/weir_runner/answers.py", python_weir_runner_answers_py, sizeof python_weir_runner_answers_py},
    {"python/weir_runner/events.py", python_weir_runner_events_py, sizeof python_weir_runner_events_py},
    {"python/weir_runner/jsontext.py", python_weir_runner_jsontext_py, sizeof python_weir_runner_jsontext_py},
    {"python/weir_runner/loading.py", python_weir_runner_loading_py, sizeof python_weir_runner_loading_py},
    {"python/weir_runner/logs.py", python_weir_runner_logs_py, sizeof python_weir_runner_logs_py},
    {"python/weir_runner/overlapping.py", python_weir_runner_overlapping_py, sizeof python_weir_runner_overlapping_py},
    {"python/weir_runner/serving.py", python_weir_runner_serving_py, sizeof python_weir_runner_serving_py},
    {"python/weir_runner/stem.py", python_weir_runner_stem_py, sizeof python_weir_runner_stem_py},
    {"python/weir_runner/wire.py", python_weir_runner_wire_py, sizeof python_weir_runner_wire_py},
};

const struct weir_runtime_file *weir_runtime_files(size_t *count) {
    *count = sizeof files / sizeof *files;
    return files;
}

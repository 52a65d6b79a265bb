#include "CRuntimes.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char python_question_py[] = {
#embed "Assets/python/question.py"
};

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

static const unsigned char python_weir_runner_forking_py[] = {
#embed "Assets/python/weir_runner/forking.py"
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

static const unsigned char python_weir_runner_sharing_py[] = {
#embed "Assets/python/weir_runner/sharing.py"
};

static const unsigned char python_weir_runner_stem_py[] = {
#embed "Assets/python/weir_runner/stem.py"
};

static const unsigned char python_weir_runner_wire_py[] = {
#embed "Assets/python/weir_runner/wire.py"
};

static const unsigned char nodejs_answers_js[] = {
#embed "Assets/nodejs/answers.js"
};

static const unsigned char nodejs_events_js[] = {
#embed "Assets/nodejs/events.js"
};

static const unsigned char nodejs_loading_js[] = {
#embed "Assets/nodejs/loading.js"
};

static const unsigned char nodejs_logs_js[] = {
#embed "Assets/nodejs/logs.js"
};

static const unsigned char nodejs_overlapping_js[] = {
#embed "Assets/nodejs/overlapping.js"
};

static const unsigned char nodejs_resolution_mjs[] = {
#embed "Assets/nodejs/resolution.mjs"
};

static const unsigned char nodejs_runner_js[] = {
#embed "Assets/nodejs/runner.js"
};

static const unsigned char nodejs_stem_js[] = {
#embed "Assets/nodejs/stem.js"
};

static const unsigned char nodejs_sums_js[] = {
#embed "Assets/nodejs/sums.js"
};

static const unsigned char nodejs_wire_js[] = {
#embed "Assets/nodejs/wire.js"
};

static const unsigned char swift_Package_swift[] = {
#embed "Assets/swift/Package.swift"
};

static const unsigned char swift_Sources_CWeirRunner_include_module_modulemap[] = {
#embed "Assets/swift/Sources/CWeirRunner/include/module.modulemap"
};

static const unsigned char swift_Sources_CWeirRunner_include_runner_h[] = {
#embed "Assets/swift/Sources/CWeirRunner/include/runner.h"
};

static const unsigned char swift_Sources_CWeirRunner_runner_c[] = {
#embed "Assets/swift/Sources/CWeirRunner/runner.c"
};

static const unsigned char swift_Sources_WeirFunction_Answers_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/Answers.swift"
};

static const unsigned char swift_Sources_WeirFunction_CallFrame_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/CallFrame.swift"
};

static const unsigned char swift_Sources_WeirFunction_Context_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/Context.swift"
};

static const unsigned char swift_Sources_WeirFunction_Control_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/Control.swift"
};

static const unsigned char swift_Sources_WeirFunction_Event_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/Event.swift"
};

static const unsigned char swift_Sources_WeirFunction_Handlers_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/Handlers.swift"
};

static const unsigned char swift_Sources_WeirFunction_JSON_Text_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/JSON+Text.swift"
};

static const unsigned char swift_Sources_WeirFunction_JSON_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/JSON.swift"
};

static const unsigned char swift_Sources_WeirFunction_Runner_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/Runner.swift"
};

static const unsigned char swift_Sources_WeirFunction_Scanner_swift[] = {
#embed "Assets/swift/Sources/WeirFunction/Scanner.swift"
};

static const struct weir_runtime_file files[] = {
    {"python/question.py", python_question_py, sizeof python_question_py},
    {"python/runner.py", python_runner_py, sizeof python_runner_py},
    {"python/weir_runner/__init__.py", python_weir_runner__init__py, sizeof python_weir_runner__init__py},
    {"python/weir_runner/answers.py", python_weir_runner_answers_py, sizeof python_weir_runner_answers_py},
    {"python/weir_runner/events.py", python_weir_runner_events_py, sizeof python_weir_runner_events_py},
    {"python/weir_runner/forking.py", python_weir_runner_forking_py, sizeof python_weir_runner_forking_py},
    {"python/weir_runner/jsontext.py", python_weir_runner_jsontext_py, sizeof python_weir_runner_jsontext_py},
    {"python/weir_runner/loading.py", python_weir_runner_loading_py, sizeof python_weir_runner_loading_py},
    {"python/weir_runner/logs.py", python_weir_runner_logs_py, sizeof python_weir_runner_logs_py},
    {"python/weir_runner/overlapping.py", python_weir_runner_overlapping_py, sizeof python_weir_runner_overlapping_py},
    {"python/weir_runner/serving.py", python_weir_runner_serving_py, sizeof python_weir_runner_serving_py},
    {"python/weir_runner/sharing.py", python_weir_runner_sharing_py, sizeof python_weir_runner_sharing_py},
    {"python/weir_runner/stem.py", python_weir_runner_stem_py, sizeof python_weir_runner_stem_py},
    {"python/weir_runner/wire.py", python_weir_runner_wire_py, sizeof python_weir_runner_wire_py},
    {"nodejs/answers.js", nodejs_answers_js, sizeof nodejs_answers_js},
    {"nodejs/events.js", nodejs_events_js, sizeof nodejs_events_js},
    {"nodejs/loading.js", nodejs_loading_js, sizeof nodejs_loading_js},
    {"nodejs/logs.js", nodejs_logs_js, sizeof nodejs_logs_js},
    {"nodejs/overlapping.js", nodejs_overlapping_js, sizeof nodejs_overlapping_js},
    {"nodejs/resolution.mjs", nodejs_resolution_mjs, sizeof nodejs_resolution_mjs},
    {"nodejs/runner.js", nodejs_runner_js, sizeof nodejs_runner_js},
    {"nodejs/stem.js", nodejs_stem_js, sizeof nodejs_stem_js},
    {"nodejs/sums.js", nodejs_sums_js, sizeof nodejs_sums_js},
    {"nodejs/wire.js", nodejs_wire_js, sizeof nodejs_wire_js},
    {"swift/Package.swift", swift_Package_swift, sizeof swift_Package_swift},
    {"swift/Sources/CWeirRunner/include/module.modulemap", swift_Sources_CWeirRunner_include_module_modulemap, sizeof swift_Sources_CWeirRunner_include_module_modulemap},
    {"swift/Sources/CWeirRunner/include/runner.h", swift_Sources_CWeirRunner_include_runner_h, sizeof swift_Sources_CWeirRunner_include_runner_h},
    {"swift/Sources/CWeirRunner/runner.c", swift_Sources_CWeirRunner_runner_c, sizeof swift_Sources_CWeirRunner_runner_c},
    {"swift/Sources/WeirFunction/Answers.swift", swift_Sources_WeirFunction_Answers_swift, sizeof swift_Sources_WeirFunction_Answers_swift},
    {"swift/Sources/WeirFunction/CallFrame.swift", swift_Sources_WeirFunction_CallFrame_swift, sizeof swift_Sources_WeirFunction_CallFrame_swift},
    {"swift/Sources/WeirFunction/Context.swift", swift_Sources_WeirFunction_Context_swift, sizeof swift_Sources_WeirFunction_Context_swift},
    {"swift/Sources/WeirFunction/Control.swift", swift_Sources_WeirFunction_Control_swift, sizeof swift_Sources_WeirFunction_Control_swift},
    {"swift/Sources/WeirFunction/Event.swift", swift_Sources_WeirFunction_Event_swift, sizeof swift_Sources_WeirFunction_Event_swift},
    {"swift/Sources/WeirFunction/Handlers.swift", swift_Sources_WeirFunction_Handlers_swift, sizeof swift_Sources_WeirFunction_Handlers_swift},
    {"swift/Sources/WeirFunction/JSON+Text.swift", swift_Sources_WeirFunction_JSON_Text_swift, sizeof swift_Sources_WeirFunction_JSON_Text_swift},
    {"swift/Sources/WeirFunction/JSON.swift", swift_Sources_WeirFunction_JSON_swift, sizeof swift_Sources_WeirFunction_JSON_swift},
    {"swift/Sources/WeirFunction/Runner.swift", swift_Sources_WeirFunction_Runner_swift, sizeof swift_Sources_WeirFunction_Runner_swift},
    {"swift/Sources/WeirFunction/Scanner.swift", swift_Sources_WeirFunction_Scanner_swift, sizeof swift_Sources_WeirFunction_Scanner_swift},
};

const struct weir_runtime_file *weir_runtime_files(size_t *count) {
    *count = sizeof files / sizeof *files;
    return files;
}

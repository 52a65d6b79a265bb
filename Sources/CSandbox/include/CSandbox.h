#pragma once

#include "launcher_protocol.h"
#include "poller.h"
#include "process_memory.h"

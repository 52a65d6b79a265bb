#pragma once

#include "container_start.h"
#include "launcher_protocol.h"
#include "poller.h"
#include "process_memory.h"

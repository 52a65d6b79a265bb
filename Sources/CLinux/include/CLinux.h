#pragma once

#include "checksums.h"
#include "files.h"
#include "inotify.h"

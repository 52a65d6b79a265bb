#pragma once

#include "inotify.h"
#include "checksums.h"
#include "files.h"

#pragma once

#include "archive.h"
#include "checksums.h"
#include "containers.h"
#include "files.h"
#include "inotify.h"
#include "program_pages.h"

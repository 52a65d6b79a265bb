#pragma once

#include "checksums.h"
#include "files.h"

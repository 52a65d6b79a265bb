#pragma once

#include "inotify.h"

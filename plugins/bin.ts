#!/usr/bin/env node
import { main } from '../core/cli/main.js'
import { host } from './host.js'

void main(host, process.argv)

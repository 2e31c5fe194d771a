import { contractOver } from '../support/contract-over.js';

contractOver('ws');

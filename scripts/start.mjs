// "npm start": sets up; then the shell goes on with "culvert up", which takes its place and gets the arguments.
import { setUp } from './setup.mjs';

setUp();
